"""What a plan says of an app: from git and from the files as they are."""

import json
from pathlib import Path

import pytest

from delivery.plan.apps import app_change, layers
from delivery.plan.before import Before, Released
from delivery.plan.sections import AppChange, Image
from delivery.release.record import Record
from tests.unit.delivery.plan.reports import locked
from tests.unit.delivery.plan.test_revisions import Repository
from tests.unit.delivery.release.releases import release, service

CONTRACT = {"inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}], "outputs": [{"name": "label", "datatype": "INT64", "shape": [-1]}]}
BASE_IMAGE, OTHER_IMAGE = f"python@sha256:{'1' * 64}", f"python@sha256:{'2' * 64}"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "checkout")
    for name in ("Dockerfile", "requirements.txt", "app/hooks.py", "build/fetch_model.py", "tests/test_x.py", "README.md"):
        (made.folder / "my_app" / name).parent.mkdir(parents=True, exist_ok=True)
        (made.folder / "my_app" / name).write_text("x")
    made.commit("my_app/app/contract.json", json.dumps(CONTRACT))
    return made


def found(repository: Repository, base: str, *, image: Image = Image.BUILT, released: Released | None = None) -> AppChange | None:
    before = Before(label="1a2b3c4 (main)", commit=base, locked={"digits": locked()}, base_image=BASE_IMAGE, released=released)
    return app_change(repository.folder, "digits", "my_app", before, locked(), BASE_IMAGE, image=image)


def some(change: AppChange | None) -> AppChange:
    assert change
    return change


def test_a_change_elsewhere_is_none_of_the_app(repository: Repository):
    base = repository.git("rev-parse", "HEAD")
    repository.commit("README.md", "changed")
    assert found(repository, base, image=Image.UNCHANGED) is None


def test_commits_newest_first_files_without_one_and_the_layers_that_follow(repository: Repository):
    base = repository.git("rev-parse", "HEAD")
    repository.commit("elsewhere/x")
    first = repository.commit("my_app/app/hooks.py", "1")
    second = repository.commit("my_app/tests/test_x.py", "1")
    (repository.folder / "my_app" / "requirements.txt").write_text("changed")
    (repository.folder / "my_app" / "app" / "new file.py").write_text("new")
    change = some(found(repository, base))
    assert [(commit.sha, commit.subject, commit.author) for commit in change.commits] == [
        (second, "my_app/tests/test_x.py", "A"),
        (first, "my_app/app/hooks.py", "A"),
    ]
    assert (change.since, change.more_commits) == ("1a2b3c4 (main)", 0)
    assert change.uncommitted == ("my_app/app/new file.py", "my_app/requirements.txt")
    assert [(layer.name, layer.why) for layer in change.layers] == [
        ("dependencies", ("requirements.txt",)),
        ("service", ("app/new file.py",)),
        ("application", ("app/hooks.py",)),
    ]


def test_at_most_ten_commits_are_told(repository: Repository):
    base = repository.git("rev-parse", "HEAD")
    for number in range(12):
        repository.commit("my_app/app/hooks.py", str(number))
    change = some(found(repository, base))
    assert (len(change.commits), change.more_commits) == (10, 2)


def test_commits_are_counted_from_the_newest_release_that_is_known(repository: Repository):
    released = repository.git("rev-parse", "HEAD")
    repository.commit("my_app/app/hooks.py", "1")
    base = repository.commit("my_app/app/hooks.py", "2")
    repository.commit("my_app/app/hooks.py", "3")
    change = some(found(repository, base, released=Released(id="20261124T231847Z", commit=released)))
    assert len(change.commits) == 3
    assert change.since == f"release 20261124T231847Z ({released[:7]})"


def test_the_contract_is_told_where_it_differs(repository: Repository):
    base = repository.git("rev-parse", "HEAD")
    wider = {**CONTRACT, "outputs": [*CONTRACT["outputs"], {"name": "p", "datatype": "FP32", "shape": [-1, 10]}]}
    (repository.folder / "my_app" / "app" / "contract.json").write_text(json.dumps(wider))
    assert some(found(repository, base)).contract == ("outputs: label INT64 [-1] -> label INT64 [-1], p FP32 [-1, 10]",)
    (repository.folder / "my_app" / "app" / "contract.json").write_text("{")
    assert some(found(repository, base)).contract == ()


def test_nothing_is_built_when_the_lock_names_an_image(repository: Repository):
    base = repository.git("rev-parse", "HEAD")
    repository.commit("my_app/app/hooks.py", "1")
    change = some(found(repository, base, image=Image.PINNED))
    assert (change.image, change.layers) == (Image.PINNED, ())


def built(digest: str, commit: str) -> Record:
    image = f"registry/digits@sha256:{digest * 64}"
    return release(services=[service().model_copy(update={"image": image, "app": "my_app", "app_commit": commit})])


def between(repository: Repository, old: tuple[str, str], new: tuple[str, str]) -> AppChange | None:
    """What a lock that names another image brings, when releases of any stack tell what both were built from."""
    before = Before(
        label="x", commit=repository.git("rev-parse", "HEAD"), locked={"digits": locked(image=f"sha256:{old[0] * 64}")}, records=(built(*old), built(*new))
    )
    return app_change(repository.folder, "digits", "my_app", before, locked(image=f"sha256:{new[0] * 64}"), None, image=Image.BROUGHT)


def test_commits_that_another_image_brings_or_takes_back(repository: Repository):
    old = repository.commit("my_app/app/hooks.py", "1")
    repository.commit("elsewhere", "2")
    new = repository.commit("my_app/app/hooks.py", "3")
    (repository.folder / "my_app" / "app" / "hooks.py").write_text("not in any image")
    forth, back = some(between(repository, ("a", old), ("b", new))), some(between(repository, ("b", new), ("a", old)))
    assert ([commit.sha for commit in forth.commits], forth.since, forth.back, forth.image) == ([new], old[:7], False, Image.BROUGHT)
    assert ([commit.sha for commit in back.commits], back.since, back.back) == ([new], new[:7], True)
    assert forth.uncommitted == ()


def test_images_that_no_release_tells_of_or_of_commits_that_are_not_here(repository: Repository):
    commit = repository.git("rev-parse", "HEAD")
    assert between(repository, ("a", commit), ("b", "f" * 40)) is None
    assert between(repository, ("a", commit), ("b", commit)) is None
    before = Before(label="x", commit=commit, locked={"digits": locked(image=f"sha256:{'a' * 64}")})
    assert app_change(repository.folder, "digits", "my_app", before, locked(image=f"sha256:{'b' * 64}"), None, image=Image.BROUGHT) is None


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("Dockerfile", ["runtime", "dependencies", "model", "service", "application"]),
        ("requirements.txt", ["dependencies"]),
        ("build/fetch_model.py", ["model"]),
        ("build/collect_runtime.py", ["runtime"]),
        ("build/check_image.py", []),
        ("app/a/b.py", ["service"]),
        ("app/hooks.py", ["application"]),
        ("app/contract.json", ["application"]),
        ("tests/test_x.py", []),
        ("requirements-test.txt", []),
        ("training/train.py", []),
    ],
)
def test_layers_of_a_file(file: str, names: list[str]):
    assert [layer.name for layer in layers([file], locked(), locked(), BASE_IMAGE, BASE_IMAGE)] == names


def test_layers_of_a_model_a_base_image_and_a_first_image():
    assert [(layer.name, layer.why) for layer in layers([], locked(), locked(2, content="f"), BASE_IMAGE, BASE_IMAGE)] == [("model", ("digits v2",))]
    assert [layer.name for layer in layers([], locked(), locked(), BASE_IMAGE, OTHER_IMAGE)] == ["runtime", "dependencies", "service", "application"]
    assert list(layers([], locked(), locked(), None, OTHER_IMAGE)) == []
    assert [layer.name for layer in layers([], None, locked(), None, BASE_IMAGE)] == ["runtime", "dependencies", "model", "service", "application"]
