from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from delivery.base_image import refresh
from delivery.base_image.cli import base_image
from delivery.errors import DeliveryError
from delivery.registry import Reference
from tests.unit.delivery.registry.fake_registry import FakeRegistry, serving
from tests.unit.delivery.registry.oci_images import image, index

OLD = image(b"python", created=datetime(2026, 1, 2, tzinfo=UTC))
NEW = index(image(b"patched python", created=datetime(2026, 3, 4, tzinfo=UTC)), image(b"for another machine"))
GONE = "sha256:" + "0" * 64


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with serving(FakeRegistry()) as found:
        yield found


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: converge\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "Pulumi.dev.yaml"


def stack_file(file: Path, text: str) -> str:
    content = (
        f"# a comment with {text}\nconfig:\n  azure-native:location: westeurope\n  # the base: {text}\n"
        f"  converge:baseImage: {text}  # refresh me\n  converge:cluster: {{minNodes: 3}}\n"
    )
    file.write_text(content)
    return content


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(base_image)
    return CliRunner().invoke(app, ["dev", *arguments])


def test_the_same_image_is_said_to_be(fake: FakeRegistry, file: Path):
    digest = fake.publish("base/python", OLD, "3.11")
    content = stack_file(file, f"{fake.host}/base/python:3.11@{digest}")
    for arguments in ((), ("--write",)):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (0, f"{fake.host}/base/python:3.11 is still {digest}, built 2026-01-02\n")
    assert file.read_text() == content


def test_a_newer_one_is_told_with_both_dates_and_asks_for_a_decision(fake: FakeRegistry, file: Path):
    old, new = fake.publish("base/python", OLD), fake.publish("base/python", NEW, "3.11")
    content = stack_file(file, f"{fake.host}/base/python:3.11@{old}")
    result = run()
    assert result.exit_code == 3
    assert result.stdout.splitlines() == [
        f"{fake.host}/base/python:3.11 has moved on",
        f"  old: {old}, built 2026-01-02",
        f"  new: {new}, built 2026-03-04",
        "converge base-image dev --write writes it; then review, test and deploy it as any change",
    ]
    assert file.read_text() == content


def test_writing_changes_exactly_the_digest(fake: FakeRegistry, file: Path):
    new = fake.publish("base/python", NEW, "3.11")
    image_text = f"{fake.host}/base/python:3.11@{GONE}"
    content = stack_file(file, image_text)
    file.chmod(0o640)
    result = run("--write")
    assert result.exit_code == 0
    assert f"  old: {GONE}\n" in result.stdout
    assert result.stdout.endswith("written into Pulumi.dev.yaml; commit it, and the next deployment builds on it\n")
    assert file.read_text() == content.replace(f"baseImage: {image_text}", f"baseImage: {fake.host}/base/python:3.11@{new}")
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir() if path.name.startswith(".")] == []
    assert run("--write").stdout.endswith("is still " + new + ", built 2026-03-04\n")


def test_a_tag_without_a_digest_gets_one(fake: FakeRegistry, file: Path):
    new = fake.publish("base/python", NEW, "3.11")
    stack_file(file, f"{fake.host}/base/python:3.11")
    result = run("--write")
    assert "  old: no digest in the file\n" in result.stdout
    assert f"  converge:baseImage: {fake.host}/base/python:3.11@{new}  # refresh me\n" in file.read_text()


def failure(*arguments: str) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, DeliveryError), result.output
    return str(result.exception)


def test_a_registry_that_cannot_be_reached_is_one_message(file: Path):
    content = stack_file(file, f"localhost:1/base/python:3.11@{GONE}")
    assert failure("--write").startswith("localhost:1 cannot be reached (")
    assert file.read_text() == content


def test_what_cannot_be_looked_for_is_told(fake: FakeRegistry, file: Path):
    stack_file(file, f"{fake.host}/base/python:3.12@{GONE}")
    assert failure() == f"{fake.host} has no base/python:3.12, which converge:baseImage in Pulumi.dev.yaml names; choose a tag that is there"
    stack_file(file, f"{fake.host}/base/python@{GONE}")
    assert ", without a tag, so nobody can say what is newer; name one: " in failure()
    stack_file(file, "Not an image")
    assert failure().startswith("'Not an image' is no image: the repository is not as it must be")
    file.write_text("config: {}\n")
    assert failure() == "Pulumi.dev.yaml has no converge:baseImage below `config:`; it must be an image: <repository>:<tag>@sha256:<digest>"
    file.write_text("config: [\n")
    assert failure().startswith("Pulumi.dev.yaml cannot be read: while parsing")
    file.write_bytes(b"\xff\xfe")
    assert failure().startswith("Pulumi.dev.yaml cannot be read: ")
    file.unlink()
    (file.parent / "Pulumi.prod.yaml").write_text("")
    assert failure() == f"there is no stack 'dev': no Pulumi.dev.yaml in {file.parent}; stacks here: prod"


def test_a_file_that_changed_meanwhile_is_not_written(fake: FakeRegistry, file: Path):
    fake.publish("base/python", NEW, "3.11")
    stack_file(file, f"{fake.host}/base/python:3.11@{GONE}")
    found = refresh.look(file, "dev")
    file.write_text("config:\n  converge:baseImage: localhost/other:1\n")
    with pytest.raises(DeliveryError, match=r"nothing was written, run it again or change it by hand$"):
        refresh.write(file, found)
    assert file.read_text() == "config:\n  converge:baseImage: localhost/other:1\n"


TEXT = f"docker.io/library/python:3.11@{GONE}"
FOUND = refresh.Found(text=TEXT, written=Reference.parse(TEXT), now=Reference.parse(TEXT.replace("0" * 64, "1" * 64)), created=None, now_created=None)
COMMENTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufeff\ufffe\uffff"), max_size=20)


@settings(max_examples=60)
@given(
    before=COMMENTS,
    after=COMMENTS,
    quote=st.sampled_from(["", "'", '"']),
    ending=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
    flow=st.booleans(),
    spaces=st.integers(1, 4),
)
def test_whatever_the_file_looks_like_nothing_else_changes(
    tmp_path_factory: pytest.TempPathFactory, before: str, after: str, quote: str, ending: str, mark: str, flow: bool, spaces: int
):
    file = tmp_path_factory.mktemp("stack") / "Pulumi.dev.yaml"
    value = f"{quote}{TEXT}{quote}"
    pair = f"config: {{a: 1, 'converge:baseImage': {value} }}" if flow else f"config:{ending}{' ' * spaces}converge:baseImage: {value}"
    content = f"{mark}# {before} {TEXT}{ending}{pair} # {after}{ending}"
    file.write_bytes(content.encode())
    refresh.write(file, FOUND)
    written = file.read_bytes().decode()
    assert written == content.replace(pair, pair.replace(TEXT, str(FOUND.now)))


def test_docker_hubs_short_names_are_asked_where_docker_asks(file: Path):
    stack_file(file, f"python:3.11@{GONE}")
    asked: list[str] = []

    def opener(host: str) -> None:
        asked.append(host)
        raise DeliveryError("stop")

    with pytest.raises(DeliveryError, match=r"^stop$"):
        refresh.look(file, "dev", opener)  # pyright: ignore[reportArgumentType] - it never opens one
    assert asked == ["docker.io"]
