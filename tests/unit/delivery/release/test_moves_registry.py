from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from delivery.errors import DeliveryError
from delivery.release.moves_registry import Puller, images_for, presence, still_there
from delivery.release.record import Outcome, Record
from settings.files import of_file
from tests.unit.delivery.release.moving import project, registries
from tests.unit.delivery.release.releases import release, service

_OUTPUTS = {"registry": "convergedev.azurecr.io"}
_ADOPTED = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/shared/providers/Microsoft.ContainerRegistry/registries/ConvergeDev"  # Azure keeps case
)


def silent() -> Mapping[str, Any]:
    raise DeliveryError("no login")


def in_registry(host: str, minutes: int = 5) -> Record:
    return release(minutes, stack="prod", services=[service(1).model_copy(update={"image": f"{host}/digits@{service(1).digest}"})])


def puller(folder: Path, *, adopted: str = "", newest: Record | None = None, outputs: Any = silent) -> Puller:
    project(folder, prod={"registry": {"registryId": adopted}} if adopted else {})
    return Puller("prod", of_file(folder, "prod"), newest, outputs)


@pytest.mark.parametrize(
    ("adopted", "newest", "outputs", "host", "other"),
    [
        (_ADOPTED, None, silent, "convergedev.azurecr.io", ""),
        (_ADOPTED, None, silent, "convergedev.azurecr.cn", ""),
        (_ADOPTED, None, silent, "other.azurecr.io", "convergedev"),
        # The settings say what the next update does; the newest release what the last one did.
        (_ADOPTED, in_registry("other.azurecr.io"), silent, "convergedev.azurecr.io", ""),
        (_ADOPTED, None, silent, "localhost:18002", ""),
        ("", in_registry("convergedev.azurecr.io"), silent, "convergedev.azurecr.io", ""),
        ("", in_registry("prod.azurecr.io"), silent, "convergedev.azurecr.io", "prod.azurecr.io"),
        ("", None, lambda: _OUTPUTS, "convergedev.azurecr.io", ""),
        ("", None, lambda: _OUTPUTS, "other.azurecr.io", "convergedev.azurecr.io"),
        ("", release(5, stack="prod", services=[]), lambda: _OUTPUTS, "convergedev.azurecr.io", ""),
        ("", None, dict, "convergedev.azurecr.io", None),
        ("", None, silent, "convergedev.azurecr.io", None),
    ],
)
def test_which_registry_a_stack_pulls_from(tmp_path: Path, adopted: str, newest: Record | None, outputs: Any, host: str, other: str | None):
    assert puller(tmp_path, adopted=adopted, newest=newest, outputs=outputs).other_registry(host) == other


def test_a_stack_of_which_nothing_is_known(tmp_path: Path):
    found = images_for(puller(tmp_path), release(10), ["digits"], registries())
    assert found.refused == {}
    assert found.unknown == {
        "digits": "it is not known whether prod pulls from localhost:18002: its settings name no registry, and no release of it is recorded"
    }


def test_what_is_refused_is_not_also_unknown(tmp_path: Path):
    found = images_for(puller(tmp_path), release(10), ["digits"], registries(gone=[service().digest]))
    assert found.refused == {"digits": f"its image {service().image} is no longer there; deploy dev again"}
    assert found.unknown == {}


def test_a_registry_elsewhere_is_not_asked(tmp_path: Path):
    def never(_host: str) -> Any:
        raise AssertionError

    assert list(images_for(puller(tmp_path, newest=in_registry("prod.azurecr.io")), release(10), ["digits"], never).refused) == ["digits"]


def test_presence_of_no_service_asks_nobody():
    def never(_host: str) -> Any:
        raise AssertionError

    assert presence(release(), [], never) == {}
    assert presence(release(), ["digits"], registries()) == {"digits": True}
    assert presence(release(), ["digits"], registries(silent=True)) == {"digits": None}


def test_releases_that_can_be_brought_back():
    records = [
        release(40, services=[service(4)]),
        release(30, services=[service(3)], outcome=Outcome.FAILED),
        release(20, services=[service(2)]),
        release(10, services=[service(1, name="reader")]),
    ]
    assert [record.id for record in still_there(records, ["digits"], registries(gone=[service(4).digest]))] == [records[2].id]
    assert still_there(records, ["digits"], registries(silent=True)) == []
