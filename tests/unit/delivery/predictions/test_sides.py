"""What `converge predictions` can be asked to compare."""

from pathlib import Path

import pytest

from delivery.errors import DeliveryError
from delivery.predictions.sides import sides
from delivery.release.ledger import Ledger
from tests.unit.delivery.release.releases import release, service

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
IMAGE = f"localhost:18002/digits@{A}"


@pytest.fixture(autouse=True)
def ledger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    records = [release(9), release(5, services=[service(12), service(3, name="letters")])]

    class Fake:
        latest = staticmethod(lambda stack: records[0] if stack == "dev" else None)
        find = staticmethod(lambda _stack, text: next(record for record in records if record.id.startswith(text)))

    monkeypatch.setattr(Ledger, "of", lambda folder: Fake() if folder == tmp_path else None)


def test_images_and_a_digest_that_is_of_the_other_sides_repository(tmp_path: Path):
    old, new = sides(tmp_path, IMAGE, B, None)
    assert (old.label, old.image) == ("digits@sha256:aaaaaaaaaaaa...", IMAGE)
    assert (new.label, new.image) == ("sha256:bbbbbbbbbbbb...", f"localhost:18002/digits@{B}")
    assert sides(tmp_path, B, IMAGE, None)[0].image == f"localhost:18002/digits@{B}"


def test_releases(tmp_path: Path):
    old, new = sides(tmp_path, f"dev:{release(5).id}", "dev", "digits")
    assert (old.label, old.image) == (f"digits of dev {release(5).id}", service(12).image)
    assert (new.label, new.image) == (f"digits of dev {release(9).id}", service(13).image)


@pytest.mark.parametrize(
    ("old", "new", "chosen", "message"),
    [
        (A, B, None, f"two digests alone do not say where the images are; name {A} as registry/repository@{A}"),
        ("a/b", IMAGE, None, "'a/b' is no image and no release; allowed are an image (registry/repository@sha256:...), a digest"),
        ("prod", IMAGE, None, "no release of the stack 'prod' is recorded; name an image instead: registry/repository@sha256:..."),
        (f"dev:{release(5).id}", IMAGE, None, f"release {release(5).id} of dev has several services; name one with --service: digits, letters"),
        ("dev", IMAGE, "letters", f"release {release(9).id} of dev has no service 'letters': digits"),
    ],
)
def test_what_is_neither(tmp_path: Path, old: str, new: str, chosen: str | None, message: str):
    with pytest.raises(DeliveryError) as raised:
        sides(tmp_path, old, new, chosen)
    assert str(raised.value).startswith(message)
