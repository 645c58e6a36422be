"""What happens, in order. Every scene goes on from where the one before ended, and fails when it does not end as it must."""

import base64
import json
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psutil
import yaml

from local_azure.sandbox import PRINCIPAL_ID
from tests.end_to_end.leaks import contents, found_in
from tests.end_to_end.steady_client import SteadyClient
from tests.story.stage import Stage

DEV, PROD = "local", "local-prod"
_HOOKS = "app_template/app/hooks.py"


def start(stage: Stage) -> None:
    """The first deployment, by hand; the record is written afterwards."""
    (stage.ci.folder / f"Pulumi.{DEV}.yaml").write_text(
        "config:\n"
        "  converge:services: [{name: digits, startupSeconds: 10}]\n"
        "  converge:delivery: {gates: [{name: accuracy, mayWorsenBy: 0.005}, {name: log_loss, better: lower, mayWorsenBy: 0.01}], reasonRequired: true}\n"
    )
    up = stage.ci.converge("local", "up")
    assert up.returncode == 0, up.stdout + up.stderr
    stage.say(up.stdout.splitlines()[-1])
    stage.git(stage.ci.folder, "add", f"Pulumi.{DEV}.yaml", f"locks/{DEV}.json")
    stage.git(stage.ci.folder, "commit", "--quiet", "--message", "The first model of the dev stack")
    stage.git(stage.ci.folder, "push", "--quiet", "origin", "main")
    stage.converge("release", "record", DEV)
    (record,) = stage.records(DEV)
    assert record["outcome"] == "succeeded"
    assert record["services"]["digits"]["model"]["version"] == 1
    _remember(stage, "first")


def change_the_app(stage: Stage) -> None:
    """A pull request changes the app: one report says what it would do, without any login."""
    stage.branch("friendlier")
    stage.change(_HOOKS, r'^APP_RELEASE = ".*"', 'APP_RELEASE = "2"')
    stage.commit("Answers name release 2")
    report = stage.converge("plan", DEV, "--markdown", folder=stage.developer)
    stage.say(_head(report, 24))
    assert "Answers name release 2" in report
    assert "digits-deployment" in report


def merge_it(stage: Stage) -> None:
    """Merged: CI deploys dev, the smoke test passes, the record is on the forge."""
    number = stage.merge("friendlier")
    printed = stage.converge("deploy", DEV)
    stage.say(_tail(printed))
    newest = stage.records(DEV)[0]
    assert newest["outcome"] == "succeeded"
    assert number in newest["pull_request"]
    assert newest["commit"] == stage.git(stage.origin, "rev-parse", "main")
    checks = {check["name"]: check["passed"] for check in newest["services"]["digits"]["smoke"]["checks"]}
    assert checks, newest
    assert all(checks.values()), checks
    assert newest["services"]["digits"]["image"].endswith(stage.served()["digest"])
    _remember(stage, "app changed")


def deploy_the_same_again(stage: Stage) -> None:
    """A commit that changes neither app nor model changes nothing that runs, and needs no record."""
    before = stage.records(DEV)
    stage.branch("words")
    (stage.developer / "README.md").write_text("# Other words\n")
    stage.commit("Other words")
    report = stage.converge("plan", DEV, "--markdown", folder=stage.developer)
    stage.say(report)
    stage.merge("words")
    stage.converge("deploy", DEV)
    assert stage.records(DEV) == before


def publish_a_better_model(stage: Stage) -> None:
    """A better model is published: promoted by its gates, deployed, recorded."""
    running = stage.records(DEV)[0]["services"]["digits"]["model"]["metrics"]
    found = [stage.train(f"seed-{seed}", "--seed", str(seed)) for seed in (10, 8, 14, 5)]
    folder, metrics = next((folder, metrics) for folder, metrics in found if _better(metrics, running))
    stage.say(f"metrics {metrics}; running {running}")
    stage.converge("model", "publish", "digits", str(folder))
    stage.branch("better-model")
    promoted = stage.converge("model", "promote", "digits", "latest", "--stack", DEV, "--reason", "more accurate", "--commit", folder=stage.developer)
    stage.say(promoted)
    assert "accuracy" in promoted
    report = stage.converge("plan", DEV, "--markdown", folder=stage.developer)
    stage.say(_head(report, 16))
    assert "v1 -> v2" in report.replace("\\", "").replace("&gt;", ">").replace("&#62;", ">")
    stage.merge("better-model")
    with SteadyClient(stage.address("digits"), {"inputs": _golden(stage, 1)}) as client:
        stage.say(_tail(stage.converge("deploy", DEV)))
    assert client.failures == []
    assert client.answers > 0
    assert stage.served()["version"] == "2"
    assert stage.records(DEV)[0]["services"]["digits"]["model"]["version"] == 2
    _remember(stage, "better model")


def publish_a_worse_model(stage: Stage) -> None:
    """A worse one is refused by its gate, which says what it compared."""
    folder, metrics = stage.train("worse", "--seed", "4", "--regularization", "0.1")
    stage.say(f"metrics {metrics}")
    stage.converge("model", "publish", "digits", str(folder))
    stage.branch("worse-model")
    before = (stage.developer / "locks" / f"{DEV}.json").read_text()
    refused = stage.converge("model", "promote", "digits", "latest", "--stack", DEV, "--reason", "newer", "--commit", folder=stage.developer, code=1)
    stage.say(refused)
    assert "accuracy" in refused
    assert "0.005" in refused
    assert (stage.developer / "locks" / f"{DEV}.json").read_text() == before
    assert stage.git(stage.developer, "status", "--porcelain") == ""


def deploy_pods_that_never_get_ready(stage: Stage) -> None:
    """An app whose pods never get ready: the roll-out stops, the old one serves all the while, the record says why."""
    served = stage.served()
    stage.branch("broken")
    stage.change(_HOOKS, r"^from \.developer ", "import os\n\nfrom .developer ")
    # Passes its tests and the golden requests in the image build, where there is no cluster.
    stage.change(_HOOKS, r"^APP_NAME = ", 'if "KUBERNETES_SERVICE_HOST" in os.environ:\n    raise SystemExit("the configuration file is missing")\nAPP_NAME = ')
    stage.commit("Reads a configuration file")
    stage.merge("broken")
    with SteadyClient(stage.address("digits"), {"inputs": _golden(stage, 2)}) as client:
        printed = stage.converge("deploy", DEV, code=1)
    stage.say(_tail(printed))
    assert client.failures == []
    assert client.answers > 0
    assert stage.served() == served
    newest = stage.records(DEV)[0]
    assert newest["outcome"] == "failed"
    assert "digits" in newest["reason"]
    stage.say(f"the record's reason: {newest['reason']}")


def mend_it(stage: Stage) -> None:
    """The commit is reverted; the next deployment goes on from there."""
    stage.branch("revert")
    stage.git(stage.developer, "revert", "--no-edit", "--mainline", "1", "HEAD")
    stage.merge("revert")
    stage.converge("deploy", DEV)
    assert stage.records(DEV)[0]["outcome"] == "succeeded"
    assert stage.served() == stage.notes["better model"]["served"]


def promote_to_prod(stage: Stage) -> None:
    """Promoted to a second stack: the same digest, nothing rebuilt, the approved plan is the one that runs."""
    stage.branch("prod")
    _write_prod_settings(stage)
    stage.commit("The prod stack")
    images = stage.ci.registry_blobs()
    # A pull request with its lock: model and digest that dev has proven.
    promoted = stage.converge("release", "promote", "--from", DEV, "--to", PROD, "--reason", "proven in dev", "--commit", folder=stage.developer)
    stage.say(promoted)
    stage.merge("prod")
    created = stage.attempt("pulumi", "stack", "init", PROD)
    assert created.returncode == 0, created.stderr
    # The engine has put the key of the stack's secrets into its file.
    stage.git(stage.ci.folder, "commit", "--quiet", "--all", "--message", "The prod stack's key")
    stage.git(stage.ci.folder, "push", "--quiet", "origin", "main")
    plan = stage.origin.parent / "plan.json"
    stage.say(_head(stage.converge("plan", PROD, "--live", "--save", str(plan)), 10))
    stage.say(_tail(stage.converge("deploy", PROD, "--plan", str(plan), "--reason", "proven in dev")))
    dev, prod = (stage.records(stack)[0]["services"]["digits"] for stack in (DEV, PROD))
    assert prod["image"] == dev["image"]
    assert prod["pinned"] is True
    assert stage.served("digits-prod") == stage.served("digits")
    assert stage.ci.registry_blobs() == images
    _remember(stage, "prod", PROD, "digits-prod")


def change_what_was_approved(stage: Stage) -> None:
    """The plan at deployment is not the approved one: stopped, the difference shown; approved anew, it runs."""
    stage.branch("replicas")
    stage.settings(PROD, services=[{"name": "digits", "namespace": "digits-prod", "startupSeconds": 10, "replicas": 3}])
    stage.commit("Three pods in prod")
    stage.merge("replicas")
    plan = stage.origin.parent / "plan.json"
    stage.converge("plan", PROD, "--live", "--save", str(plan))
    stage.branch("smaller")
    stage.settings(PROD, services=[{"name": "digits", "namespace": "digits-prod", "startupSeconds": 10, "replicas": 1}])
    stage.commit("No: one is enough")
    stage.merge("smaller")
    before = stage.records(PROD)
    stopped = stage.converge("deploy", PROD, "--plan", str(plan), code=4)
    stage.say(stopped)
    assert "spec.replicas" in stopped
    assert _pods(stage, "digits-prod") == 2
    assert stage.records(PROD) == before
    stage.converge("plan", PROD, "--live", "--save", str(plan))
    stage.converge("deploy", PROD, "--plan", str(plan))
    assert _pods(stage, "digits-prod") == 1


def roll_back_without_the_store(stage: Stage) -> None:
    """Rolled back in one command, with the blob storage stopped and nothing built: the old pair serves."""
    services = json.loads(stage.ci.converge("local", "status", "--json").stdout)["services"]
    (storage,) = [service["process"] for service in services if service["service"] == "blob"]
    os.kill(storage, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(storage)] if psutil.pid_exists(storage) else [], timeout=10)
    images, wanted = stage.ci.registry_blobs(), stage.notes["app changed"]["served"]
    started = time.monotonic()
    printed = stage.converge("release", "rollback", DEV, "--to", stage.notes["app changed"]["id"], "--reason", "v2 answers oddly", "--deploy", "--commit")
    seconds = time.monotonic() - started
    stage.say(_tail(printed, 12))
    assert stage.served() == wanted
    stage.say(f"the old pair serves after {seconds:.1f} s; the storage is stopped, nothing was built")
    stage.notes["rollback seconds"] = seconds
    assert stage.ci.registry_blobs() == images
    assert stage.records(DEV)[0]["services"]["digits"]["pin"]["reason"] == "v2 answers oddly"
    back = stage.ci.converge("local", "up")
    assert back.returncode == 0, back.stdout + back.stderr
    # It lays the same settings out in its own way.
    stage.git(stage.ci.folder, "checkout", "--quiet", "--", f"Pulumi.{DEV}.yaml")
    assert stage.attempt("pulumi", "preview", "--stack", DEV, "--expect-no-changes", "--non-interactive").returncode == 0
    stage.git(stage.ci.folder, "push", "--quiet", "origin", "HEAD:main")


def merge_after_the_roll_back(stage: Stage) -> None:
    """The next merge does not undo it: the plan says that the service is pinned, a promotion is refused, until it is unpinned."""
    stage.branch("more")
    stage.change(_HOOKS, r'^APP_RELEASE = ".*"', 'APP_RELEASE = "3"')
    stage.commit("Answers name release 3")
    report = stage.converge("plan", DEV, "--markdown", folder=stage.developer)
    stage.say(_head(report, 12))
    assert "v2 answers oddly" in report
    pinned = stage.converge("model", "promote", "digits", "2", "--stack", DEV, "--reason", "again", folder=stage.developer, code=1)
    assert "v2 answers oddly" in pinned
    stage.merge("more")
    stage.converge("deploy", DEV)
    assert stage.served() == stage.notes["app changed"]["served"]
    stage.branch("unpin")
    stage.say(stage.converge("release", "unpin", DEV, "--commit", folder=stage.developer))
    stage.merge("unpin")
    stage.converge("deploy", DEV)
    assert stage.served()["digest"] != stage.notes["app changed"]["served"]["digest"]
    _remember(stage, "unpinned")


def ask_where_it_came_from(stage: Stage) -> None:
    """`release at` and `why` answer for every step; the list says what can be brought back; drift finds nothing."""
    for step in ("first", "app changed", "better model", "unpinned"):
        note = stage.notes[step]
        at = json.loads(stage.converge("release", "at", note["time"], DEV, "--json"))
        assert note["id"] in json.dumps(at), (step, at)
        why = json.loads(stage.converge("why", "--digest", note["served"]["digest"], "--json"))
        # Several releases may have brought one image; the newest is named, and app and model are the same in all of them.
        (released,) = [record["services"]["digits"] for record in stage.records(DEV) if record["id"] == note["id"]]
        assert why["release"]["services"]["digits"]["image"] == released["image"]
        assert why["release"]["services"]["digits"]["model"] == released["model"]
        assert why["commits"]["app"]["id"] == released["app_commit"]
        assert why["training"]["commit"]
    stage.say(stage.converge("why", f"{stage.address('digits-prod')}/v2/models/digits/infer"))
    stage.say(stage.converge("release", "list"))
    page = stage.origin.parent / "releases.html"
    stage.converge("release", "page", "--out", str(page))
    assert "local-prod" in page.read_text()
    stage.converge("drift", DEV)


def look_for_secrets(stage: Stage) -> None:
    """No secret stands in what was printed, planned, recorded, committed or cached."""
    folder = stage.origin.parent
    secrets = {path.name: path.read_text() for path in (stage.ci.sandbox.folder / "secrets").iterdir()}
    secrets["a signed URL"] = f"skoid={PRINCIPAL_ID}"
    secrets["a token"] = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
    secrets["the kubeconfig's key"] = yaml.safe_load(stage.ci.sandbox.kubeconfig.read_text())["users"][0]["user"]["client-key-data"]
    for stack in (DEV, PROD):
        stage.printed.append(json.dumps(stage.records(stack)))
    places = [("what was printed, or recorded", "\n".join(stage.printed).encode())]
    places += [(path.name, path.read_bytes()) for path in (folder / "plan.json", folder / "releases.html")]
    places += [(f"{clone.name}/.converge/{place}", content) for clone in (stage.ci.folder, stage.developer) for place, content in contents(clone / ".converge")]
    places += [("the repository", stage.git(stage.origin, "log", "--all", "--patch").encode())]
    assert found_in([("here", "".join(secrets.values()).encode())], secrets) == [f"{name} in here" for name in secrets], "the search itself finds nothing"
    assert found_in(places, secrets) == []
    stage.say(f"looked for {len(secrets)} secrets in {len(places)} places, {sum(len(content) for _, content in places):,} bytes")


SCENES: tuple[Callable[[Stage], None], ...] = (
    start,
    change_the_app,
    merge_it,
    deploy_the_same_again,
    publish_a_better_model,
    publish_a_worse_model,
    deploy_pods_that_never_get_ready,
    mend_it,
    promote_to_prod,
    change_what_was_approved,
    roll_back_without_the_store,
    merge_after_the_roll_back,
    ask_where_it_came_from,
    look_for_secrets,
)


def _remember(stage: Stage, step: str, stack: str = DEV, namespace: str = "digits") -> None:
    """Notes what runs now, for the questions at the end."""
    newest = stage.records(stack)[0]
    time.sleep(1.1)  # records have whole seconds
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    stage.notes[step] = {"id": newest["id"], "commit": newest["commit"], "time": now, "served": stage.served(namespace)}


def _better(metrics: dict[str, float], running: dict[str, float]) -> bool:
    return metrics["accuracy"] > running["accuracy"] and metrics["log_loss"] < running["log_loss"] + 0.01


def _golden(stage: Stage, version: int) -> Any:
    folder = stage.origin.parent / "golden" / str(version)
    if not folder.exists():
        stage.converge("model", "fetch", "digits", str(version), "--to", str(folder))
    return json.loads((folder / "golden.json").read_text())["cases"][0]["inputs"]


def _pods(stage: Stage, namespace: str) -> int:
    """How many pods a service is to have."""
    found = stage.attempt("kubectl", "get", "deployment", "digits", "--namespace", namespace, "--output", "jsonpath={.spec.replicas}")
    return int(found.stdout)


def _write_prod_settings(stage: Stage) -> None:
    """A stack of its own beside dev, with dev's registry and models; both run on the sandbox's one node, in different namespaces."""
    exported = json.loads(stage.attempt("pulumi", "stack", "export", "--stack", DEV).stdout)
    ids = {resource["type"].rpartition(":")[2]: resource["id"] for resource in exported["deployment"]["resources"] if resource.get("id")}
    config = (stage.developer / f"Pulumi.{DEV}.yaml").read_text()
    kept = [line for line in config.splitlines() if any(key in line for key in ("config:", "subscriptionId", "tenantId", "location", "baseImage"))]
    lines = [
        *kept,
        f"  converge:modelStorage: {{accountId: {ids['StorageAccount']}}}",
        f"  converge:registry: {{registryId: {ids['Registry']}}}",
        "  converge:deployer: {principalId: 00000000-0000-4000-8000-0000000de9e2, principalType: Group}",
        "  converge:services: [{name: digits, namespace: digits-prod, startupSeconds: 10}]",
        "  converge:delivery: {reasonRequired: true}",
    ]
    (stage.developer / f"Pulumi.{PROD}.yaml").write_text("\n".join(lines) + "\n")


def _head(text: str, lines: int) -> str:
    return "\n".join(text.splitlines()[:lines])


def _tail(text: str, lines: int = 8) -> str:
    return "\n".join(text.splitlines()[-lines:])
