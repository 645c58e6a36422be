"""What becomes of a base image's files, on a small one made for the purpose; a real one is collected in every image build."""

from pathlib import Path

import pytest
from build.collect_runtime import CollectError, Collection, record_packages

STATUS = """Package: libc6
Status: install ok installed
Version: 2.36-9

Package: bash
Status: install ok installed
Version: 5.2

Package: gone
Status: deinstall ok config-files
Version: 1
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """/lib is a link to /usr/lib, as in Debian; libc.so.6 is a link to the file."""
    root = tmp_path / "base"
    (root / "usr/lib/python3").mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    (root / "usr/lib/libc-2.so").write_bytes(b"libc")
    (root / "usr/lib/libc.so.6").symlink_to("libc-2.so")
    (root / "usr/lib/absolute.so").symlink_to("/lib/libc.so.6")
    for name in ("os.py", "tkinter/__init__.py", "json/__init__.py", "json/__pycache__/x.pyc", "json/test"):
        (root / "usr/lib/python3" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "usr/lib/python3" / name).write_text("")
    (root / "bin").mkdir()
    (root / "bin/bash").write_text("a shell")
    dpkg = root / "var/lib/dpkg"
    (dpkg / "info").mkdir(parents=True)
    (dpkg / "status").write_text(STATUS)
    (dpkg / "info/libc6:amd64.list").write_text("/.\n/lib\n/lib/libc-2.so\n/lib/libc.so.6\n")
    (dpkg / "info/bash.list").write_text("/.\n/bin\n/lib\n/bin/bash\n")
    (dpkg / "info/gone.list").write_text("/lib/libc-2.so\n")
    return root


@pytest.fixture
def collection(base: Path, tmp_path: Path) -> Collection:
    return Collection(tmp_path / "out", base)


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_symlink() or path.is_file()}


def test_a_file_comes_with_every_link_on_the_way_to_it(collection: Collection):
    collection.add("/lib/absolute.so")
    assert files(collection.root) == {"lib", "usr/lib/absolute.so", "usr/lib/libc.so.6", "usr/lib/libc-2.so"}
    assert (collection.root / "usr/lib/libc.so.6").readlink() == Path("libc-2.so")
    assert (collection.root / "usr/lib/libc-2.so").read_bytes() == b"libc"


def test_names_are_left_out_at_the_top_or_anywhere(collection: Collection):
    collection.add_tree("/lib/python3", ("tkinter", "test"), ("__pycache__",))
    assert files(collection.root) == {"lib", "usr/lib/python3/os.py", "usr/lib/python3/json/__init__.py", "usr/lib/python3/json/test"}


def test_modes_are_fixed(collection: Collection, base: Path):
    (base / "usr/lib/libc-2.so").chmod(0o666)
    (base / "bin/bash").chmod(0o4711)
    collection.add("/lib/libc-2.so")
    collection.add("/bin/bash")
    assert [oct((collection.root / name).stat().st_mode)[-4:] for name in ("usr/lib/libc-2.so", "bin/bash")] == ["0644", "0755"]


def test_the_packages_of_what_was_taken_are_recorded(collection: Collection, base: Path):
    collection.add("/lib/libc.so.6")
    assert record_packages(collection, base / "var/lib/dpkg") == ["libc6"]
    assert (collection.root / "var/lib/dpkg/status.d/libc6").read_text() == "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\n"


def test_a_base_image_without_dpkg_records_nothing(collection: Collection, base: Path, tmp_path: Path):
    collection.add("/lib/libc.so.6")
    assert base
    assert record_packages(collection, tmp_path / "none") == []


def test_what_is_missing_is_named(collection: Collection):
    with pytest.raises(CollectError, match=r"^/lib/libm\.so: is not in the base image$"):
        collection.add("/lib/libm.so")


def test_links_in_a_circle_are_refused(collection: Collection, base: Path):
    (base / "a").symlink_to("b")
    (base / "b").symlink_to("a")
    with pytest.raises(CollectError, match="circle"):
        collection.add("/a")
