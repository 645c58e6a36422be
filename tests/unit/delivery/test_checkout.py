from pathlib import Path

import pytest

from delivery.checkout import checkout_here, settings_of, who
from delivery.errors import DeliveryError
from tests.unit.delivery.release.releases import clone, git, origin


def test_who_is_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    origin(tmp_path)
    checkout = clone(tmp_path / "origin.git", "clone")
    git(checkout, "config", "user.name", "Ada")
    monkeypatch.delenv("LOGNAME", raising=False)
    for name in ("GITHUB_ACTOR", "BUILD_REQUESTEDFOR"):
        monkeypatch.delenv(name, raising=False)
    assert who(checkout) == "Ada"
    monkeypatch.setenv("BUILD_REQUESTEDFOR", "Grace\nHopper")
    assert who(checkout) == "Grace Hopper"
    monkeypatch.setenv("GITHUB_ACTOR", "grace")
    assert who(checkout) == "grace"


def test_a_checkout_is_found_from_any_folder_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert checkout_here("converge deploy") == tmp_path


def test_outside_of_a_checkout_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DeliveryError) as error:
        checkout_here("converge deploy")
    assert str(error.value) == f"no Pulumi.yaml in {tmp_path} or above it; run `converge deploy` in a checkout of the project"


def test_settings_that_are_wrong_are_told(tmp_path: Path):
    with pytest.raises(DeliveryError, match=r"there is no Pulumi\.dev\.yaml in "):
        settings_of(tmp_path, "dev")
