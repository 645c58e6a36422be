"""`converge plan` as people and pipelines run it: golden plans, a change against its base, messages, Ctrl-C."""

import difflib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from rich.console import Console

from delivery.plan.golden import FOLDER, golden_plan, golden_stacks, sample_lock
from local_azure.progress import Progress

ROOT = Path(__file__).parents[2]
CONVERGE = Path(sys.executable).with_name("converge")
_PARTS = ("Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.prod.yaml", "__main__.py", "settings", "components", "model_store", "app_template")


def fresh_plan(stack: str) -> str:
    with Progress(Console(stderr=True)) as progress:
        return golden_plan(ROOT, stack, progress)


def test_golden_plans_are_what_a_fresh_plan_says():
    """All at once, which shows that plans do not disturb each other."""
    stacks = golden_stacks(ROOT)
    assert {"dev", "prod"} <= set(stacks)
    assert sorted(path.stem for path in (ROOT / FOLDER).glob("*.md")) == stacks
    with ThreadPoolExecutor() as pool:
        fresh = dict(zip(stacks, pool.map(fresh_plan, stacks), strict=True))
    for stack, text in fresh.items():
        committed = (ROOT / FOLDER / f"{stack}.md").read_text()
        difference = "\n".join(difflib.unified_diff(committed.splitlines(), text.splitlines(), f"{FOLDER}/{stack}.md", "a fresh plan", lineterm="", n=2))
        assert not difference, f"{FOLDER}/{stack}.md is not what the program plans; run `make plans`, read what changes and commit it\n{difference}"
        assert str(ROOT) not in text
        assert "asked for in an update only" not in text


class Checkout:
    """A repository with the program, committed on main."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder.parent / "tmp"
        self.temporary.mkdir()
        folder.mkdir()
        for name in _PARTS:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "out", "node_modules"))
            else:
                shutil.copy(source, folder)
        (folder / ".gitignore").write_text(".venv\n.converge/\n__pycache__/\n")
        (folder / ".venv").symlink_to(Path(sys.prefix))
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
        return subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def commit(self) -> None:
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "x")

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        # A plan asks a model store when it is told of one.
        kept = {name: value for name, value in os.environ.items() if name != "CONVERGE_MODEL_STORE"}
        environment = {**kept, "TMPDIR": str(self.temporary), "GIT_CEILING_DIRECTORIES": str(self.folder.parent)}
        command = [str(CONVERGE), "plan", *arguments]
        return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def plan(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and errors."""
        process = self.command(*arguments)
        output, errors = process.communicate(timeout=300)
        return process.returncode, output, errors

    def change_settings(self, stack: str, **values: Any) -> None:
        path = self.folder / f"Pulumi.{stack}.yaml"
        document = yaml.safe_load(path.read_text())
        document["config"] |= {f"converge:{key}": value for key, value in values.items()}
        path.write_text(yaml.safe_dump(document))

    def write_lock(self, stack: str, *, version: int, **service: Any) -> None:
        lock = sample_lock(self.folder, stack)
        lock["services"]["digits"] |= service
        lock["services"]["digits"]["model"]["version"] = version
        if version > 1:
            lock["services"]["digits"]["model"]["files"]["model.onnx"]["sha256"] = f"{version % 10}" * 64
        path = self.folder / "locks" / f"{stack}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(lock))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def test_a_change_of_app_model_and_data_against_its_base(checkout: Checkout):
    """Uncommitted, on prod, where the models are protected: the plan shows what an update would refuse, and leaves everything as it was."""
    checkout.write_lock("prod", version=1)
    checkout.commit()
    checkout.write_lock("prod", version=2)
    (checkout.folder / "app_template" / "app" / "hooks.py").open("a").write("\n# changed\n")
    checkout.change_settings("prod", storageAccountName="anotheraccount", delivery={"gates": [{"name": "accuracy"}]})
    before = checkout.git("status", "--porcelain=v2", "--branch")

    code, output, errors = checkout.plan("prod", "--json", "--refuse")

    assert code == 3, errors
    report = json.loads(output)
    commit = checkout.git("rev-parse", "--short=7", "HEAD").strip()
    assert report["base"] == f"{commit} (merge base with main)"
    changes = {(change["component"], change["type"].rpartition(":")[2]): change for change in report["infrastructure"]["changes"]}
    account = changes["converge-models", "StorageAccount"]
    assert account["operation"] == "replace"
    assert [effect["kind"] for effect in account["effects"]] == ["refused", "data loss"]
    assert {"path": "accountName", "after": "anotheraccount", "replaces": True}.items() <= account["values"][0].items()
    image = changes["digits-image", "Image"]
    assert image["operation"] == "update"
    paths = {value["path"] for value in image["values"]}
    assert {"buildArgs.MODEL_VERSION", 'labels["converge.app.sha256"]', "context.location"} <= paths
    deployment = changes["digits", "Deployment"]
    assert deployment["operation"] == "update"
    assert [effect["kind"] for effect in deployment["effects"]] == ["roll-out"]
    assert ("converge-cluster", "ManagedCluster") not in changes
    (model,) = report["models"]
    assert (model["before"]["version"], model["after"]["version"], model["files"]) == (1, 2, ["model.onnx"])
    assert (model["predictions"], model["predictions_unknown"]) == (None, "")
    (app,) = report["apps"]
    assert (app["uncommitted"], app["commits"], app["image"]) == (["app_template/app/hooks.py"], [], "built")
    assert app["layers"] == [{"name": "model", "why": ["digits v2"]}, {"name": "application", "why": ["app/hooks.py"]}]
    assert report["rolls"] == [{"service": "digits", "pods": "replaced", "why": ["image", "model"]}]
    assert report["pins"] == []
    assert report["infrastructure"]["unchanged"] > len(changes)
    assert report["policies"]["score_before"] is not None
    assert "asked for in an update only" not in output
    assert str(checkout.folder) not in output
    assert str(checkout.temporary) not in output
    assert checkout.git("status", "--porcelain=v2", "--branch") == before
    assert list(checkout.temporary.iterdir()) == []


def test_a_change_of_no_consequence_and_one_of_a_pods_settings_beside_a_pin(checkout: Checkout):
    """Two stacks at once: dev, whose services have no model yet, and prod, where somebody went back to an image."""
    digest = f"sha256:{'abc' * 21}a"
    pin = {"release": "20261124T231847Z", "reason": "4 and 9 | mixed up", "by": "ann", "at": "2026-11-25T08:00:00Z"}
    checkout.write_lock("prod", version=1, image=digest, pin=pin)
    checkout.commit()
    checkout.git("checkout", "--quiet", "-b", "change")
    (checkout.folder / "README.md").write_text("changed\n")
    (checkout.folder / "app_template" / "app" / "hooks.py").open("a").write("\n# changed\n")
    checkout.git("commit", "--all", "--quiet", "--message", "For <b>@alice</b>")
    checkout.change_settings("prod", services=[{"name": "digits", "resources": {"cpu": "300m"}}])
    with ThreadPoolExecutor() as pool:
        dev, prod = pool.map(lambda stack: checkout.plan(stack, "--markdown"), ("dev", "prod"))

    assert dev[0] == 0, dev[2]
    first = dev[1].split("\n\n")[:2]
    commit = checkout.git("rev-parse", "--short=7", "main").strip()
    assert first[0] == f"## Plan of dev against {commit} (merge base with main)"
    assert re.fullmatch(r"\*\*nothing changes; \d+ unchanged\.\*\* Policies: \d+ of 100, as before\.", first[1])
    assert "**digits**" not in dev[1]
    assert prod[0] == 0, prod[2]
    head = checkout.git("rev-parse", "--short=7", "HEAD").strip()
    assert (
        f"- **digits** app `app_template`: 1 commit since {commit} (merge base with main); nothing is built, since the lock names the image "
        "`sha256:abcabcabcabc...`: **the change has no effect on this stack**\n"
        f"  - `{head}` For &#60;b&#62;&#64;&#8203;alice&#60;/b&#62;, by A\n"
        "- pods: **digits** replaced (resources.requests.cpu)\n"
        "- **digits** **stays** at `sha256:abcabcabcabc...` (went back to release 20261124T231847Z, by ann on 2026-11-25, because 4 and 9 \\| mixed up); "
        "`converge release unpin prod`\n"
    ) in prod[1]


def test_nothing_changed_and_a_stack_that_the_base_did_not_have(checkout: Checkout):
    checkout.commit()
    shutil.copy(checkout.folder / "Pulumi.dev.yaml", checkout.folder / "Pulumi.test.yaml")
    code, output, errors = checkout.plan("test", "--markdown")
    assert code == 0, errors
    assert "has no Pulumi.test.yaml, so everything of the stack is new" in output
    assert "containerservice.ManagedCluster" in output
    assert not (checkout.folder / "locks").exists()
    assert "converge model publish digits" in output
    assert yaml.safe_load((checkout.folder / "Pulumi.test.yaml").read_text()) == yaml.safe_load((checkout.folder / "Pulumi.dev.yaml").read_text())


def test_which_side_cannot_be_planned_and_why(checkout: Checkout):
    checkout.change_settings("dev", baseImage="python")
    checkout.commit()
    code, output, errors = checkout.plan("dev", "--json")
    assert (code, output) == (1, "")
    assert "error: the base, " in errors
    assert "(merge base with main), cannot be planned; name another revision with --base, or plan from nothing with `--base none`:" in errors
    assert 'converge:baseImage: was "python"' in errors
    assert "Traceback" not in errors
    code, _, errors = checkout.plan("dev", "--base", "none")
    assert code == 1
    assert "error: the working tree cannot be planned:" in errors
    assert 'converge:baseImage: was "python"' in errors
    assert list(checkout.temporary.iterdir()) == []


def runs_program(process: psutil.Process) -> bool:
    try:
        return "--dry_run" in process.cmdline()
    except psutil.Error:
        return False


def test_ctrl_c_leaves_nothing(checkout: Checkout):
    process = checkout.command("dev", "--base", "none")
    family: set[psutil.Process] = set()
    deadline = time.monotonic() + 60
    while not any(runs_program(one) for one in family):
        assert time.monotonic() < deadline, "the program was never started"
        family |= set(psutil.Process(process.pid).children(recursive=True))
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    assert list(checkout.temporary.iterdir()) == []
