"""The run, step by step. Whatever happens after the first resource may exist, it ends with destroying all of it."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_fixed

from delivery.azure.arm import Arm
from delivery.azure.errors import AzureError
from delivery.verify import readback
from delivery.verify.guard import STACK
from delivery.verify.machine import Machine

_MODEL = "digits"
_APP = "app_template"
_SPREADS_WITHIN = 600.0
"""A grant takes effect within ten minutes, Azure says. Publishing is safe to repeat."""
Smoke = Callable[[Mapping[str, Any], Path, Path], str]
"""Sends a prediction to a service, by the model's golden file and a kubeconfig."""


@dataclass(kw_only=True)
class Verification:
    """One run.

    Attributes:
        folder: of the run: kubeconfig, trained model, state.
        publisher: object id and kind of the login, which publishes the sample model.
    """

    machine: Machine
    arm: Arm
    folder: Path
    python: str
    publisher: Mapping[str, str]
    smoke: Smoke
    say: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> None:
        """All steps.

        Raises:
            AzureError: one failed. What was made is destroyed all the same; when that fails, too, both are told.
        """
        self._step("what must be there before", lambda: self._converge("doctor", STACK))
        failed: list[AzureError] = []
        try:
            self._up_to_read_back()
        except AzureError as error:
            failed.append(error)
            self.say(f"failed: {error}")
        finally:
            # Ctrl-C comes through here, too, and then nobody reads `failed`.
            failed += self._destroy()
        if failed:
            raise AzureError("\n".join(map(str, failed)))

    def _up_to_read_back(self) -> None:
        self._step("pulumi up: storage, registry, cluster", self._up)
        outputs = self._outputs()
        self._step("a model: train, publish, promote", lambda: self._give_model(outputs))
        self._step("pulumi up: image and service", self._up)
        outputs = self._outputs()
        self._step("a prediction", lambda: self._predict(outputs))
        self._step("pulumi preview is empty", self._nothing_changes)
        self._step("pulumi refresh, and still nothing changes", self._refresh)
        self._step("locks and grants as Azure has them", lambda: readback.check(self.arm, self._pulumi("stack", "export")))

    def _destroy(self) -> list[AzureError]:
        """Protection exists to keep people from this; the run knows that it means it."""
        try:
            self._step("unprotect and destroy", self._unprotect_and_destroy)
            self._step("nothing is left", self._nothing_is_left)
            self._pulumi("stack", "rm", "--yes")
        except AzureError as error:
            again = "run `.venv/bin/python -m delivery.verify --destroy`, or delete the resource groups by hand"
            left = AzureError(f"NOT EVERYTHING IS DESTROYED, AND IT COSTS MONEY: {error}\n{again}")
            self.say(str(left))
            return [left]
        return []

    def _unprotect_and_destroy(self) -> None:
        self._pulumi("state", "unprotect", "--all", "--yes")
        # Azure frees some things late (networks, locked grants); what the first attempt left, the second takes.
        again = Retrying(retry=retry_if_exception_type(AzureError), stop=stop_after_attempt(2), wait=wait_fixed(60), sleep=self.sleep, reraise=True)
        again(self._pulumi, "destroy", "--yes", "--skip-preview", "--continue-on-error")

    def destroy_only(self) -> None:
        """Ends what an earlier run left.

        Raises:
            AzureError: it could not.
        """
        if left := self._destroy():
            raise left[0]

    def _up(self) -> str:
        return self._pulumi("up", "--yes", "--skip-preview")

    def _give_model(self, outputs: Mapping[str, Any]) -> str:
        """The login publishes, which in a real stack a group of data scientists does."""
        trained = self.folder / "trained"
        account = str(outputs["storageAccount"])
        resources = json.loads(self._pulumi("stack", "export"))["deployment"].get("resources") or []
        found = [one for one in resources if one.get("type") == "azure-native:storage:BlobContainer"]
        if not found:
            raise AzureError(f"the state has no container in {account}")
        grant = ["--role", "Storage Blob Data Contributor", "--scope", str(found[0]["id"])]
        who = ["--assignee-object-id", self.publisher["principalId"], "--assignee-principal-type", self.publisher["principalType"]]
        self.machine.run("az", "role", "assignment", "create", *who, *grant)
        self.machine.run("env", f"PYTHONPATH={_APP}", self.python, "-m", "training.train", "--out", str(trained))
        store = str(outputs["modelStore"])
        allowed = Retrying(
            retry=retry_if_exception_type(AzureError), stop=stop_after_delay(_SPREADS_WITHIN), wait=wait_fixed(10), sleep=self.sleep, reraise=True
        )
        allowed(self._converge, "model", "publish", _MODEL, str(trained), "--store", store)
        return self._converge("model", "promote", _MODEL, "latest", "--stack", STACK, "--store", store)

    def _predict(self, outputs: Mapping[str, Any]) -> str:
        service = outputs["services"][_MODEL]
        kubeconfig = self.folder / "kubeconfig"
        place = ["--resource-group", str(outputs["resourceGroup"]), "--name", str(outputs["cluster"])]
        self.machine.run("az", "aks", "get-credentials", *place, "--file", str(kubeconfig), "--overwrite-existing")
        self.machine.run("kubelogin", "convert-kubeconfig", "--login", "azurecli", "--kubeconfig", str(kubeconfig))
        return self.smoke(service, self.folder / "trained" / "golden.json", kubeconfig)

    def _nothing_changes(self) -> str:
        return self._pulumi("preview", "--expect-no-changes")

    def _refresh(self) -> str:
        self._pulumi("refresh", "--yes", "--skip-preview")
        return self._nothing_changes()

    def _nothing_is_left(self) -> str:
        left = json.loads(self.machine.run("az", "group", "list", "--tag", "purpose=verify-azure", "--output", "json") or "[]")
        if left:
            names = " ".join(str(group["name"]) for group in left)
            raise AzureError(f"resource groups are left: {names}; delete each with `az group delete --name <group>`")
        return "no resource group is left"

    def _outputs(self) -> Mapping[str, Any]:
        return json.loads(self._pulumi("stack", "output", "--json"))

    def _pulumi(self, *arguments: str) -> str:
        return self.machine.run("pulumi", *arguments, "--stack", STACK, "--non-interactive", "--color", "never")

    def _converge(self, *arguments: str) -> str:
        return self.machine.run(self.python, "-m", "cli", *arguments)

    def _step(self, title: str, work: Callable[[], Any]) -> None:
        self.say(f"{title} ...")
        answer = work()
        self.say(f"  {answer}" if isinstance(answer, str) and answer and "\n" not in answer.strip() else "  done")
