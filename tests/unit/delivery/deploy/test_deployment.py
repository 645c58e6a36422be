"""A deployment from its plan to its record, with a real repository."""

import re
from pathlib import Path

import pytest
from rich.console import Console

from delivery.deploy.attempt import Failure
from delivery.deploy.deployment import PlanChangedError, deploy
from delivery.deploy.live import plan_sha256
from delivery.errors import DeliveryError
from delivery.release.record import Outcome, Record
from local_azure.progress import Progress
from model_store import read_lock
from tests.unit.delivery.deploy.fakes import FakeStack, change, digest, fake_stack, git, model, plan


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeStack:
    return fake_stack(tmp_path, monkeypatch)


def recorded(stack: FakeStack) -> list[Record]:
    """What somebody else reads from the remote, oldest first."""
    files = git(stack.checkout.parent / "origin.git", "ls-tree", "-r", "--name-only", "releases").split()
    texts = [git(stack.checkout.parent / "origin.git", "show", f"releases:{name}") for name in files if name.endswith(".json")]
    return sorted((Record.model_validate_json(text) for text in texts), key=lambda record: (record.started_at, record.id))


def test_a_deployment_is_recorded_and_pushed(stack: FakeStack):
    result = stack.deploy(reason="the first one")
    assert result.failure is None
    assert result.written
    assert result.written.pushed
    (record,) = recorded(stack)
    assert record == result.record
    head = git(stack.checkout, "rev-parse", "HEAD")
    app = git(stack.checkout, "log", "-1", "--format=%H", "--", "app_template")
    assert (record.outcome, record.reason, record.by, record.commit, record.dirty) == (Outcome.SUCCEEDED, "the first one", "Grace Hopper", head, False)
    assert (record.lock_commit, record.pull_request, record.previous, record.approved_by, record.run) == (head, "1", None, None, None)
    assert record.resource_changes == {"update": 2, "same": 3}
    assert record.plan_sha256 == plan_sha256(plan(change("2")))
    service = record.services["digits"]
    assert (service.model, service.image, service.pinned, service.app_commit) == (model(1), f"localhost:9/digits@{digest(1)}", False, app)
    assert service.smoke
    assert service.smoke.passed


def test_the_next_one_names_the_one_before(stack: FakeStack):
    first = stack.deploy().record
    stack.promote(2)
    second = stack.deploy().record
    assert second.previous == first.id
    assert second.services["digits"].model.version == 2


def test_nothing_to_change_runs_no_update_and_records_nothing(stack: FakeStack):
    first = stack.deploy().record
    result = stack.deploy()
    assert (result.record, result.written, result.failure, stack.updates) == (first, None, None, 1)
    assert recorded(stack) == [first]
    assert "nothing to change, so no update is run" in stack.output.getvalue()
    assert f"release {first.id} says so already, so nothing is recorded" in stack.output.getvalue()


def test_nothing_to_change_is_recorded_when_somebody_asks_for_it(stack: FakeStack):
    stack.deploy()
    assert stack.deploy(reason="looked at after the incident").written
    assert [record.reason for record in recorded(stack)] == ["", "looked at after the incident"]
    assert stack.updates == 1


def test_what_somebody_else_deployed_by_hand_is_recorded(stack: FakeStack):
    stack.update(lambda _: None, lambda _: None)
    assert stack.deploy().written
    assert stack.updates == 1
    assert recorded(stack)[0].services["digits"].model.version == 1


def test_outputs_that_lag_behind_the_lock_are_a_reason_to_update(stack: FakeStack):
    stack.plan = plan()
    stack.deploy()
    assert stack.updates == 1


def test_another_plan_than_the_approved_one_changes_nothing(stack: FakeStack):
    with pytest.raises(PlanChangedError) as raised:
        stack.deploy(approved=plan(change("3")))
    assert str(raised.value) == (
        "this is not the plan that was approved, and nothing was changed:\n"
        "  apps/v1.Deployment digits-deployment: spec.replicas: 1 => 3 in the approved plan, 1 => 2 now\n"
        "look at it anew, and have it approved: `converge plan dev --live --save plan.json`"
    )
    assert stack.updates == 0
    assert stack.ledger.records() == []


def test_many_differences_are_counted(stack: FakeStack):
    with pytest.raises(PlanChangedError, match=r"\n  and 6 more differences\n"):
        stack.deploy(approved=plan(*(change("2").model_copy(update={"name": f"d{number}"}) for number in range(45))))


def test_the_approved_plan_is_carried_out(stack: FakeStack):
    assert stack.deploy(approved=plan(change("2"))).failure is None
    assert stack.updates == 1
    assert stack.deploy(approved=plan(change("2"))).failure is None, "a pipeline that is run again has nothing left to do"
    assert stack.updates == 1


def test_a_plan_of_another_stack(stack: FakeStack):
    with pytest.raises(DeliveryError, match=r"^the approved plan is of the stack 'prod', and 'dev' is to be deployed$"):
        stack.deploy(approved=plan(stack="prod"))


def test_a_stack_that_refuses_what_breaks_a_policy(stack: FakeStack):
    stack.plan = plan(change("2"), refuses=True)
    with pytest.raises(DeliveryError) as raised:
        stack.deploy()
    assert str(raised.value) == (
        "the stack refuses an update that breaks a policy (converge:policies is `refuse`), and nothing was changed:\n  CVG1 (high): account: is open"
    )
    assert stack.updates == 0


def test_a_failed_update_is_recorded_with_what_still_runs(stack: FakeStack):
    stack.deploy()
    stack.promote(2)
    stack.problems = ["the Deployment digits is not ready:\n  [Pod digits-1]: containers with unready status"]
    result = stack.deploy()
    assert result.failure is Failure.UPDATE
    record = recorded(stack)[-1]
    assert record == result.record
    assert record.outcome is Outcome.FAILED
    assert record.reason == "the update failed: the Deployment digits is not ready: [Pod digits-1]: containers with unready status"
    assert record.services["digits"].model.version == 1, "the old pods keep serving"
    assert record.services["digits"].smoke is None
    assert "[Pod digits-1]: containers with unready status" in stack.output.getvalue()
    assert stack.deploy().failure is None, "the next one goes on"
    assert recorded(stack)[-1].services["digits"].model.version == 2


def test_a_failed_smoke_test_is_recorded_with_what_runs(stack: FakeStack):
    stack.deploy()
    stack.promote(2)
    stack.wrong = {2}
    result = stack.deploy()
    assert (result.failure, result.way_back) == (Failure.SMOKE, None)
    record = recorded(stack)[-1]
    assert (record.outcome, record.reason) == (Outcome.FAILED, "the smoke test failed: digits: golden requests: case 0 is wrong")
    assert record.services["digits"].model.version == 2
    assert record.services["digits"].smoke
    assert not record.services["digits"].smoke.passed


def test_a_smoke_test_that_passes_later_is_recorded(stack: FakeStack):
    stack.wrong = {1}
    stack.deploy()
    stack.wrong = set()
    assert stack.deploy().written
    assert [record.outcome for record in recorded(stack)] == [Outcome.FAILED, Outcome.SUCCEEDED]
    assert stack.updates == 1


def test_a_cluster_that_cannot_be_asked(stack: FakeStack):
    stack.settings(rollBack=True)
    stack.deploy()
    stack.promote(2)
    stack.unreachable = "`kubectl proxy` ended: no login works"
    result = stack.deploy()
    assert (result.failure, result.way_back) == (Failure.UNASKED, None)
    assert recorded(stack)[-1].reason == "the smoke test could not be made: `kubectl proxy` ended: no login works"
    assert recorded(stack)[-1].services["digits"].model.version == 2


@pytest.mark.parametrize("failing", ["smoke", "update"])
def test_going_back_at_once(stack: FakeStack, failing: str):
    stack.settings(rollBack=True)
    first = stack.deploy().record
    stack.promote(2)
    stack.wrong = {2} if failing == "smoke" else set()
    stack.problems = [] if failing == "smoke" else ["not ready"]
    result = stack.deploy()
    _, failed, back = recorded(stack)
    assert (failed.outcome, failed.previous) == (Outcome.ROLLED_BACK, first.id)
    assert failed.reason.startswith(f"the {failing}{' test' if failing == 'smoke' else ''} failed: ")
    assert failed.services["digits"].model.version == (2 if failing == "smoke" else 1)
    assert (back.outcome, back.plan_sha256) == (Outcome.SUCCEEDED, None)
    assert back.reason == f"back to release {first.id}, since the {failing}{' test' if failing == 'smoke' else ''} failed"
    service = back.services["digits"]
    assert (service.digest, service.pinned, service.app_commit) == (digest(1), True, first.services["digits"].app_commit)
    assert service.pin
    assert service.pin.release == first.id
    assert back.dirty, "the lock of the working tree has no commit yet"
    assert (result.record, result.way_back and result.way_back.record) == (failed, back)
    assert stack.ledger.latest("dev") == back
    locked = read_lock(stack.checkout / "locks" / "dev.json").services["digits"]
    assert (locked.model, locked.image) == (model(1), digest(1))


def test_a_way_back_that_fails_too(stack: FakeStack):
    stack.settings(rollBack=True)
    stack.deploy()
    stack.promote(2)
    stack.problems = ["not ready", "the cluster is away"]
    result = stack.deploy()
    _, failed, back = recorded(stack)
    assert (failed.outcome, back.outcome) == (Outcome.FAILED, Outcome.FAILED)
    assert back.reason.endswith("since the update failed; the update failed: the cluster is away")
    assert result.way_back
    assert result.way_back.failure is Failure.UPDATE


def test_a_way_back_that_cannot_begin(stack: FakeStack, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise DeliveryError("its image is gone")

    monkeypatch.setattr("delivery.release.moves.rollback", refuse)
    stack.settings(rollBack=True)
    stack.deploy()
    stack.promote(2)
    stack.wrong = {2}
    result = stack.deploy()
    _, failed, back = recorded(stack)
    assert (failed.outcome, back.outcome) == (Outcome.FAILED, Outcome.FAILED)
    assert back.services["digits"].model.version == 2
    assert back.reason.endswith("the update failed: its image is gone")
    assert result.failure is Failure.SMOKE


def test_no_way_back_without_a_release_before(stack: FakeStack):
    stack.settings(rollBack=True)
    stack.wrong = {1}
    assert stack.deploy().way_back is None
    assert "no release before is recorded, so there is none to go back to" in stack.output.getvalue()


def test_no_way_back_where_models_and_images_are_not_the_cause(stack: FakeStack):
    stack.settings(rollBack=True)
    first = stack.deploy().record
    stack.plan = plan(change("2"))
    stack.touched = ("kubernetes:apps/v1:Deployment digits-deployment",)
    stack.problems = ["not ready"]
    assert stack.deploy().way_back is None
    assert f"release {first.id} has the same models and images, so going back to it would mend nothing" in stack.output.getvalue()


def test_no_way_back_for_an_update_that_never_reached_the_pods(stack: FakeStack):
    stack.settings(rollBack=True)
    stack.deploy()
    stack.promote(2)
    stack.touched = ("docker-build:index:Image digits-image",)
    stack.problems = ["the image was not built"]
    result = stack.deploy()
    assert (result.failure, result.way_back, stack.updates) == (Failure.UPDATE, None, 2)


class _InterruptedError(BaseException):
    pass


def test_an_interrupted_update_is_recorded(stack: FakeStack):
    stack.deploy()
    stack.promote(2)

    def interrupt() -> None:
        raise _InterruptedError

    stack.during = interrupt
    with pytest.raises(_InterruptedError):
        stack.deploy()
    record = recorded(stack)[-1]
    assert (record.outcome, record.reason) == (Outcome.FAILED, "it was interrupted")
    assert record.services["digits"].model.version == 1


def test_an_engine_that_does_not_tell_what_runs(stack: FakeStack, monkeypatch: pytest.MonkeyPatch):
    def forget() -> None:
        monkeypatch.setattr(FakeStack, "outputs", refuse)

    def refuse(_: FakeStack) -> None:
        raise DeliveryError("no access")

    stack.during = forget
    with pytest.raises(DeliveryError, match=r"^no access$"):
        stack.deploy()
    assert (recorded(stack)[0].outcome, recorded(stack)[0].reason) == (Outcome.FAILED, "it could not be finished: no access")


def test_an_interrupted_way_back_is_recorded(stack: FakeStack):
    stack.settings(rollBack=True)
    stack.deploy()
    stack.promote(2)
    stack.problems = ["not ready"]

    def interrupt() -> None:
        if stack.updates == 3:
            raise _InterruptedError

    stack.during = interrupt
    with pytest.raises(_InterruptedError):
        stack.deploy()
    _, failed, back = recorded(stack)
    assert (failed.outcome, back.outcome) == (Outcome.FAILED, Outcome.FAILED)
    assert back.reason.endswith("it was interrupted")


def test_a_record_that_cannot_be_pushed_fails_nothing(stack: FakeStack):
    git(stack.checkout, "remote", "set-url", "origin", str(stack.checkout.parent / "gone.git"))
    result = stack.deploy()
    assert result.failure is None
    assert result.written
    assert not result.written.pushed
    assert result.written.problem
    git(stack.checkout, "remote", "set-url", "origin", str(stack.checkout.parent / "origin.git"))
    stack.promote(2)
    stack.deploy()
    assert [record.services["digits"].model.version for record in recorded(stack)] == [1, 2]


def test_a_digest_that_another_stack_has_proven_keeps_its_app_commit(stack: FakeStack):
    first = stack.deploy().record
    (stack.checkout / "app_template" / "x").write_text("a newer app")
    git(stack.checkout, "commit", "-q", "-a", "-m", "The app")
    stack.promote(1, image=digest(1))
    result = stack.deploy(reason="pinned by hand")
    service = result.record.services["digits"]
    assert (service.pinned, service.app_commit) == (True, first.services["digits"].app_commit)


def test_for_those_who_need_only_the_record(stack: FakeStack):
    with Progress(Console(file=stack.output)) as progress:
        assert deploy(stack.checkout, "dev", progress) == recorded(stack)[0]


def test_what_cannot_work_is_refused_before_anything_changes(stack: FakeStack, monkeypatch: pytest.MonkeyPatch):
    (stack.checkout / "locks" / "dev.json").write_text("{")
    with pytest.raises(DeliveryError, match=r"locks/dev.json: not valid JSON"):
        stack.deploy()
    git(stack.checkout, "checkout", "-q", "locks")
    stack.deploy()

    def none() -> str:
        raise DeliveryError("kubectl knows no cluster to ask")

    monkeypatch.setattr("delivery.deploy.scene.current_context", none)
    stack.promote(2)
    with pytest.raises(DeliveryError, match=re.escape("kubectl knows no cluster to ask")):
        stack.deploy()
    assert stack.updates == 1
    with pytest.raises(DeliveryError, match=r"^there is no Pulumi.nope.yaml in"):
        deploy(stack.checkout, "nope", Progress(Console(file=stack.output)))
