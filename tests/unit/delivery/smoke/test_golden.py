"""Where golden requests come from."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from delivery.errors import DeliveryError
from delivery.smoke.golden import FOLDER, golden_requests
from model_store import LockedFile, LockedModel
from tests.unit.delivery.smoke.fake_service import GOLDEN, MODEL

CONTENT = json.dumps(GOLDEN.model_dump(mode="json")).encode()
HASH = sha256(CONTENT).hexdigest()
NOWHERE = "https://127.0.0.1:9/nobody/models"


def model(content: bytes = CONTENT) -> LockedModel:
    found = LockedFile(sha256=sha256(content).hexdigest(), size=len(content))
    return MODEL.model_copy(update={"files": {**MODEL.files, "golden.json": found}})


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A store by address and blob."""
    blobs: dict[str, bytes] = {}

    class Container:
        def __init__(self, address: object) -> None:
            self._address = str(address)

        def chunks(self, name: str, limit: int) -> list[bytes] | None:
            content = blobs.get(f"{self._address} {name}")
            return None if content is None else [content[:limit]]

        def close(self) -> None:
            blobs["closed"] = b""

    monkeypatch.setattr("model_store.blobs.BlobContainer", Container)
    monkeypatch.delenv("CONVERGE_MODEL_STORE", raising=False)
    return blobs


def test_kept_ones_need_no_store(tmp_path: Path):
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / f"{HASH}.json").write_bytes(CONTENT)
    assert golden_requests(tmp_path, model(), NOWHERE) == GOLDEN


def test_they_are_fetched_and_kept(tmp_path: Path, store: dict[str, bytes]):
    store[f"{NOWHERE} digits/2/golden.json"] = CONTENT
    assert golden_requests(tmp_path, model(), NOWHERE) == GOLDEN
    assert (tmp_path / FOLDER / f"{HASH}.json").read_bytes() == CONTENT
    assert "closed" in store
    store.clear()
    assert golden_requests(tmp_path, model(), NOWHERE) == GOLDEN


def test_kept_ones_that_are_torn_are_fetched_again(tmp_path: Path, store: dict[str, bytes]):
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / f"{HASH}.json").write_bytes(CONTENT[:10])
    store[f"{NOWHERE} digits/2/golden.json"] = CONTENT
    assert golden_requests(tmp_path, model(), NOWHERE) == GOLDEN
    assert (tmp_path / FOLDER / f"{HASH}.json").read_bytes() == CONTENT


def test_the_environment_s_store_is_asked_first(tmp_path: Path, store: dict[str, bytes], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONVERGE_MODEL_STORE", NOWHERE.replace("nobody", "other"))
    store[f"{NOWHERE.replace('nobody', 'other')} digits/2/golden.json"] = CONTENT
    assert golden_requests(tmp_path, model(), NOWHERE) == GOLDEN


def test_who_cannot_keep_them_has_them_anyhow(tmp_path: Path, store: dict[str, bytes]):
    store[f"{NOWHERE} digits/2/golden.json"] = CONTENT
    (tmp_path / ".converge").write_text("a file")
    assert golden_requests(tmp_path, model(), NOWHERE) == GOLDEN


def test_other_bytes_than_the_lock_s_are_refused(tmp_path: Path, store: dict[str, bytes]):
    store[f"{NOWHERE} digits/2/golden.json"] = CONTENT + b" "
    with pytest.raises(DeliveryError) as raised:
        golden_requests(tmp_path, model(), NOWHERE)
    found = sha256(CONTENT + b" ").hexdigest()
    assert str(raised.value) == f"golden.json of digits v2 in {NOWHERE} is not the one of the lock: sha256 {found}, not {HASH}"
    assert not (tmp_path / FOLDER).exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "no model store is known; set CONVERGE_MODEL_STORE"),
        (NOWHERE, f"{NOWHERE} does not have golden.json of digits v2"),
        ("no url", "the model store's URL is wrong: 'no url' does not begin with https://"),
    ],
)
@pytest.mark.usefixtures("store")
def test_a_store_that_does_not_have_them(tmp_path: Path, url: str, message: str):
    with pytest.raises(DeliveryError) as raised:
        golden_requests(tmp_path, model(), url)
    assert str(raised.value).startswith(message)


def test_golden_requests_that_do_not_fit_the_model(tmp_path: Path, store: dict[str, bytes]):
    content = b'{"tolerance": {"rtol": 0, "atol": 0}, "cases": []}'
    store[f"{NOWHERE} digits/2/golden.json"] = content
    with pytest.raises(DeliveryError) as raised:
        golden_requests(tmp_path, model(content), NOWHERE)
    assert str(raised.value) == "golden.json of digits v2: cases: must have at least one entry"
