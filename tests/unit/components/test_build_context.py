import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from components import build_context
from components.build_context import BuildContext, BuildContextError, stage

_ROOT = Path(__file__).parents[3]
_RULES = "*\n!app/\n!requirements.txt\n**/__pycache__/\n**/.*\n"
_DAY = 24 * 3600.0

Content = tuple[bytes, bool]
"""Bytes of a file, and whether it is executable."""
# Folders without a dot and files with one, so that no name is both.
_NAMES = st.builds(
    lambda folders, file: "/".join(["app", *folders, file]),
    st.lists(st.from_regex(r"[a-zé]{1,2}", fullmatch=True), max_size=2),
    st.from_regex(r"[a-z]{1,3}\.py", fullmatch=True),
)
_CONTENTS = st.tuples(st.binary(max_size=20), st.booleans())
_APPS = st.dictionaries(_NAMES, _CONTENTS, max_size=5).map(lambda files: {"Dockerfile": (b"FROM scratch\n", False), **files})


def _write(app: Path, files: Mapping[str, Content], rules: str = _RULES) -> Path:
    app.mkdir(parents=True, exist_ok=True)
    (app / ".dockerignore").write_text(rules)
    for name, (content, executable) in files.items():
        path = app / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(path.stat().st_mode | 0o100 if executable else path.stat().st_mode & ~0o100)
    return app


def _app(folder: Path, **files: bytes) -> Path:
    """A small app; keyword arguments are further modules."""
    modules = {f"app/{name}.py": (content, False) for name, content in {"server": b"print()\n", **files}.items()}
    return _write(folder / "app_folder", {"Dockerfile": (b"FROM scratch\n", False), "requirements.txt": (b"httpx\n", False), **modules})


def _tree(folder: Path) -> dict[str, tuple[int, float, bytes | None]]:
    """Mode, time and content of everything below."""
    return {
        path.relative_to(folder).as_posix(): (stat.S_IMODE(path.stat().st_mode), path.stat().st_mtime, path.read_bytes() if path.is_file() else None)
        for path in (folder, *sorted(folder.rglob("*")))
    }


def _names(context: BuildContext) -> set[str]:
    return {path.relative_to(context.location).as_posix() for path in Path(context.location).rglob("*") if path.is_file()}


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@given(_APPS, st.sampled_from([0o000, 0o022, 0o077]), st.integers(0, 2**31), st.sampled_from([0o000, 0o040, 0o066]))
@settings(deadline=None, max_examples=40)
def test_the_same_content_is_the_same_folder_on_every_machine(files: dict[str, Content], mask: int, time: int, more: int):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        here = stage(_write(folder / "here", files), folder / "staged here")
        with _umask(mask):
            for path in (other := _write(folder / "elsewhere", dict(reversed(files.items())))).rglob("*"):
                path.chmod(stat.S_IMODE(path.stat().st_mode) | more)
                os.utime(path, (time, time))
            elsewhere = stage(other, folder / "staged elsewhere")
        assert here.sha256 == elsewhere.sha256
        assert Path(here.location).name == Path(elsewhere.location).name == here.sha256[:32]
        assert _tree(Path(here.location)) == _tree(Path(elsewhere.location))


@given(_APPS)
@settings(deadline=None, max_examples=25)
def test_a_staged_file_has_its_content_one_of_two_modes_and_no_time(files: dict[str, Content]):
    with tempfile.TemporaryDirectory() as name:
        context = stage(_write(Path(name) / "app", files), Path(name) / "staged")
        staged = _tree(Path(context.location))
        assert {name: made for name, made in staged.items() if made[2] is not None} == {
            name: (0o755 if executable else 0o644, 0, content) for name, (content, executable) in files.items()
        }
        assert {made[:2] for made in staged.values() if made[2] is None} == {(0o755, 0)}


@given(_APPS, _APPS)
@settings(deadline=None, max_examples=40)
def test_different_content_is_a_different_folder(one: dict[str, Content], other: dict[str, Content]):
    assume(one != other)
    with tempfile.TemporaryDirectory() as name:
        staged = [stage(_write(Path(name) / folder, files), Path(name) / "staged") for folder, files in (("one", one), ("other", other))]
        assert staged[0].sha256 != staged[1].sha256
        assert staged[0].location != staged[1].location


@pytest.mark.parametrize(
    "change",
    [
        {"app/a.py": (b"x", True), "app/b.py": (b"", False)},
        {"app/a.py": (b"", False), "app/b.py": (b"x", False)},
        {"app/a.py": (b"x", False), "app/c.py": (b"", False)},
        {"app/a.py": (b"x", False)},
        # What would be the same text if sizes were not part of it.
        {"app/a.py": (b"x644 8 app/b.py ", False)},
    ],
)
def test_mode_place_name_and_presence_of_a_file_all_count(tmp_path: Path, change: dict[str, Content]):
    before: dict[str, Content] = {"Dockerfile": (b"", False), "app/a.py": (b"x", False), "app/b.py": (b"", False)}
    one, other = _write(tmp_path / "one", before), _write(tmp_path / "other", {"Dockerfile": (b"", False), **change})
    assert stage(one, tmp_path / "staged").sha256 != stage(other, tmp_path / "staged").sha256


@given(st.sets(st.sampled_from(["app", "app/b", "tests", "requirements.txt", "app/a.py", "absent"])), st.sets(st.sampled_from(["*.py", "b", "secret", ".*"])))
@settings(deadline=None, max_examples=40)
def test_only_what_is_let_through_and_not_excluded_is_staged(allowed: set[str], excluded: set[str]):
    files = ["app/a.py", "app/b/c.txt", "app/b/.env", "app/secret/key", "application/d.txt", "tests/b/e.txt", "requirements.txt", "requirements.txt.bak"]
    rules = "\n".join(["# comment", "", "*", *(f"!{name}" for name in allowed), *(f"**/{name}/" for name in excluded)])

    def wanted(name: str) -> bool:
        parts = name.split("/")
        let_through = any(name == entry or name.startswith(f"{entry}/") for entry in allowed)
        return let_through and not any(
            part in excluded or ("*.py" in excluded and part.endswith(".py")) or (".*" in excluded and part.startswith(".")) for part in parts
        )

    with tempfile.TemporaryDirectory() as folder:
        app = _write(Path(folder) / "app", dict.fromkeys(["Dockerfile", *files], (b"x", False)), rules)
        assert _names(stage(app, Path(folder) / "staged")) == {"Dockerfile", *filter(wanted, files)}


def test_the_template_stages_what_its_dockerfile_copies(tmp_path: Path):
    names = _names(stage(_ROOT / "app_template", tmp_path))
    assert {"Dockerfile", "app/__main__.py", "app/contract.json", "build/fetch_model.py", "requirements.txt", "requirements-test.txt"} <= names
    assert {name.split("/")[0] for name in names} == {"Dockerfile", "app", "build", "tests", "requirements.txt", "requirements-test.txt"}
    assert not [name for name in names if "__pycache__" in name or "/." in name]


def test_the_place_is_the_same_text_on_every_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _app(tmp_path)
    monkeypatch.chdir(tmp_path)
    context = stage(Path("app_folder"))
    assert context.location == f".converge/context/{context.sha256[:32]}"
    assert (tmp_path / context.location / "app" / "server.py").read_bytes() == b"print()\n"


def test_what_the_docker_client_needs_to_know_about_files_stays_behind(tmp_path: Path):
    # The staged folder is the allow-list's result already; applied a second time it could only do harm.
    assert ".dockerignore" not in _names(stage(_app(tmp_path), tmp_path / "staged"))


@pytest.mark.parametrize("target", ["/etc/hosts", "server.py", "nowhere", "."])
def test_a_link_is_refused(tmp_path: Path, target: str):
    link = _app(tmp_path) / "app" / "link.py"
    link.symlink_to(target)
    with pytest.raises(BuildContextError) as error:
        stage(tmp_path / "app_folder", tmp_path / "staged")
    assert str(error.value) == f"{link}: is a symbolic link; put the file itself there, since links lead elsewhere on other machines"
    assert not (tmp_path / "staged").exists()


def test_a_linked_folder_is_refused_and_not_followed(tmp_path: Path):
    (outside := tmp_path / "outside").mkdir()
    (outside / "secret.txt").write_text("secret")
    app = _app(tmp_path)
    (app / "app" / "more").symlink_to(outside, target_is_directory=True)
    with pytest.raises(BuildContextError, match=r"app/more: is a symbolic link; "):
        stage(app, tmp_path / "staged")


def test_links_that_are_not_let_through_do_not_matter(tmp_path: Path):
    app = _app(tmp_path)
    before = stage(app, tmp_path / "staged")
    (app / "venv").symlink_to("/usr", target_is_directory=True)
    (app / "app" / ".cache").symlink_to("/nowhere")
    assert stage(app, tmp_path / "staged") == before


def test_what_is_no_file_is_refused(tmp_path: Path):
    app = _app(tmp_path)
    os.mkfifo(app / "app" / "pipe")
    with pytest.raises(BuildContextError) as error:
        stage(app, tmp_path / "staged")
    assert str(error.value) == f"{app}/app/pipe: is not a regular file; remove it, or exclude it in .dockerignore"


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path):
    app = _app(tmp_path)
    with (app / "app" / "model.onnx").open("wb") as file:
        file.truncate(40 * 2**20)
    with pytest.raises(BuildContextError) as error:
        stage(app, tmp_path / "staged")
    assert str(error.value) == f"{app}/app/model.onnx: has 40 MiB, more than the 32 MiB that an app's file may have; models go into the model store"


def test_a_file_of_exactly_the_limit_is_let_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(build_context, "_LARGEST_FILE", 100)
    app = _app(tmp_path, full=b"x" * 100)
    assert "app/full.py" in _names(stage(app, tmp_path / "staged"))
    _app(tmp_path, full=b"x" * 101)
    with pytest.raises(BuildContextError, match=r"full\.py: has 0 MiB, more than the 0 MiB"):
        stage(app, tmp_path / "staged")


def test_a_large_app_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(build_context, "_LARGEST_CONTEXT", 2**20)
    app = _app(tmp_path, one=b"x" * (2**19), two=b"x" * (2**19))
    with pytest.raises(BuildContextError) as error:
        stage(app, tmp_path / "staged")
    assert str(error.value) == f"{app}: has more than 1 MiB for the image builder; models belong into the model store, not into an app"


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        (None, "cannot be read; copy it from app_template"),
        (b"\xff\xfe", "cannot be read; copy it from app_template"),
        (b"", "must start with * and then let through what the Dockerfile copies, as in app_template"),
        (b"# only a comment\n", "must start with * and then let through what the Dockerfile copies, as in app_template"),
        (b"!app/\n*\n", "must start with * and then let through what the Dockerfile copies, as in app_template"),
        (b"*\nnode_modules\n", "the rule 'node_modules' is not understood; allowed are * first, then !path and **/name"),
        (b"*\n!app/\n*.pyc\n", "the rule '*.pyc' is not understood; allowed are * first, then !path and **/name"),
        (b"*\n*\n", "the rule '*' is not understood; allowed are * first, then !path and **/name"),
    ],
)
def test_a_dockerignore_that_is_no_allow_list_is_refused(tmp_path: Path, rules: bytes | None, problem: str):
    path = _app(tmp_path) / ".dockerignore"
    if rules is None:
        path.unlink()
    else:
        path.write_bytes(rules)
    with pytest.raises(BuildContextError) as error:
        stage(tmp_path / "app_folder", tmp_path / "staged")
    assert str(error.value) == f"{path}: {problem}"


@pytest.mark.parametrize("rule", ["!app/*.py", "!app/?.py", "!app/m[0-9].py", "!**/app", "!", "**/", "**/a/b", "**/a/**"])
def test_rules_that_would_mean_something_else_to_docker_are_refused(tmp_path: Path, rule: str):
    (_app(tmp_path) / ".dockerignore").write_text(f"*\n!app/\n{rule}\n")
    with pytest.raises(BuildContextError) as error:
        stage(tmp_path / "app_folder", tmp_path / "staged")
    assert str(error.value).endswith(f".dockerignore: the rule {rule!r} is not understood; allowed are * first, then !path and **/name")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildContextError) as error:
        stage(_app(tmp_path), tmp_path / "file" / "staged")
    assert str(error.value) == f"{tmp_path}/file/staged: cannot be written: Not a directory"


def test_what_is_whole_is_not_written_again(tmp_path: Path):
    app = _app(tmp_path)
    first = stage(app, tmp_path / "staged")
    before = {path: (path.stat().st_ino, path.stat().st_ctime_ns) for path in Path(first.location).rglob("*")}
    assert stage(app, tmp_path / "staged") == first
    assert {path: (path.stat().st_ino, path.stat().st_ctime_ns) for path in Path(first.location).rglob("*")} == before


def _truncate(folder: Path) -> None:
    (folder / "app" / "server.py").write_bytes(b"")


def _remove(folder: Path) -> None:
    shutil.rmtree(folder / "app")


def _add(folder: Path) -> None:
    (folder / "app" / "stray.py").write_bytes(b"")


def _make_executable(folder: Path) -> None:
    (folder / "app" / "server.py").chmod(0o755)


def _link(folder: Path) -> None:
    (folder / "app" / "server.py").unlink()
    (folder / "app" / "server.py").symlink_to("/etc/hosts")


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _vanish(folder: Path) -> None:
    shutil.rmtree(folder)


def _become_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


@pytest.mark.parametrize("damage", [_truncate, _remove, _add, _make_executable, _link, _empty, _vanish, _become_a_file])
def test_a_folder_that_is_not_whole_is_repaired(tmp_path: Path, damage: Callable[[Path], None]):
    app, staged = _app(tmp_path), tmp_path / "staged"
    made = stage(app, staged)
    whole = _tree(Path(made.location))
    damage(Path(made.location))
    assert stage(app, staged) == made
    assert _tree(Path(made.location)) == whole
    assert [path for path in staged.iterdir() if path.is_dir()] == [Path(made.location)]


def test_several_runs_at_once_each_find_a_whole_folder(tmp_path: Path):
    app = _app(tmp_path, **{f"module{number}": b"x" * 1000 for number in range(30)})
    expected = stage(app, tmp_path / "other")
    staged, start = tmp_path / "staged", threading.Barrier(8)
    found: list[tuple[BuildContext, int]] = []

    def run() -> None:
        start.wait()
        context = stage(app, staged)
        # At once: this is when a builder would read it.
        found.append((context, len(_names(context))))

    for _ in range(20):
        shutil.rmtree(staged, ignore_errors=True)
        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [number for _, number in found] == [len(_names(expected))] * 160
    assert {context.sha256 for context, _ in found} == {expected.sha256}
    assert [path for path in staged.iterdir() if path.is_dir()] == [Path(found[0][0].location)]
    assert _tree(Path(found[0][0].location)) == _tree(Path(expected.location))


def test_what_a_killed_run_left_is_removed(tmp_path: Path):
    app, staged = _app(tmp_path), tmp_path / "staged"
    (staged / ".partial-killed" / "app").mkdir(parents=True)
    stage(app, staged)
    assert not (staged / ".partial-killed").exists()


@pytest.mark.parametrize(
    ("owner", "step", "error"), [(Path, "rename", OSError(1, "Operation not permitted")), (os, "utime", OSError(28, "No space left on device"))]
)
def test_a_failed_write_is_told_and_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, step: str, error: OSError):
    def fail(*_: object) -> None:
        raise error

    app, staged = _app(tmp_path), tmp_path / "staged"
    monkeypatch.setattr(owner, step, fail)
    with pytest.raises(BuildContextError, match=rf"staged: cannot be written: {error.strerror}$"):
        stage(app, staged)
    assert [path for path in staged.iterdir() if path.is_dir()] == []


def _used(staged: Path, context: BuildContext, seconds_ago: float) -> None:
    marker = staged / f"{Path(context.location).name}.used"
    moment = marker.stat().st_mtime - seconds_ago
    os.utime(marker, (moment, moment))


def test_contexts_that_nobody_used_for_a_day_are_pruned_but_for_the_last_ones(tmp_path: Path):
    staged = tmp_path / "staged"
    old = [stage(_app(tmp_path, version=str(number).encode()), staged) for number in range(12)]
    for number, context in enumerate(old):
        _used(staged, context, 2 * _DAY - number)
    new = stage(_app(tmp_path, version=b"new"), staged)
    kept = {Path(context.location).name for context in (*old[-7:], new)}
    assert {path.name for path in staged.iterdir() if path.is_dir()} == kept
    assert {path.stem for path in staged.glob("*.used")} == kept


def test_contexts_that_somebody_may_still_build_from_are_kept(tmp_path: Path):
    staged = tmp_path / "staged"
    made = [stage(_app(tmp_path, version=str(number).encode()), staged) for number in range(12)]
    for context in made:
        _used(staged, context, _DAY - 600)
    stage(_app(tmp_path, version=b"new"), staged)
    assert all(Path(context.location).is_dir() for context in made)


def test_a_context_that_is_used_again_is_not_pruned(tmp_path: Path):
    staged = tmp_path / "staged"
    made = [stage(_app(tmp_path, version=str(number).encode()), staged) for number in range(12)]
    for context in made:
        _used(staged, context, 2 * _DAY)
    assert stage(_app(tmp_path, version=b"3"), staged) == made[3]
    assert Path(made[3].location, "app", "version.py").read_bytes() == b"3"
