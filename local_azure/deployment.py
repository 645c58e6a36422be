"""From running services to a served model: the `local` stack, its first model, and a prediction to prove it.

The commands of other rooms are called as a user would call them; the sandbox knows nothing of their insides.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from local_azure import engine
from local_azure.assembly import LocalAzure
from local_azure.errors import LocalAzureError
from local_azure.sandbox import STORAGE_ACCOUNT, SUBSCRIPTION_ID, TENANT_ID

_SAMPLE_SERVICE = "digits"
"""The service whose model the sandbox trains by itself when nobody has published one yet."""

_APP = "app_template"
_ANSWERS_WITHIN = 90
"""Seconds; a node that was stopped starts its pods again within about ten."""


class _NotYetError(Exception):
    """Another version answers, or the way to the Service is not there yet."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A real answer of a deployed service.

    Attributes:
        expected: the outputs that the model's golden request demands.
        outputs: the outputs that came back.
    """

    service: str
    url: str
    model: Mapping[str, Any]
    request: Mapping[str, Any]
    outputs: list[dict[str, Any]]
    expected: list[dict[str, Any]]


class Deployment:
    """Deploys the checkout to the sandbox."""

    def __init__(self, azure: LocalAzure) -> None:
        self._azure = azure
        self._sandbox = azure.sandbox
        self._progress = azure.progress
        self._environment = azure.environment()

    def run(self) -> list[Prediction]:
        """Previews, updates when something changes, gives the sample service its first model, and asks for predictions.

        Raises:
            LocalAzureError: what failed; what ran before still runs.
        """
        engine.write_stack_settings(self._sandbox, self._settings())
        with self._progress.phase("select stack", quiet_under=2.0):
            stack = engine.Stack(self._sandbox, self._environment, self._progress)
        outputs = self._bring_up_to_date(stack)
        if _SAMPLE_SERVICE in outputs.get("notDeployed", []):
            self._give_first_model()
            outputs = self._bring_up_to_date(stack)
        outputs = self._restore(stack, outputs)
        for service in outputs.get("notDeployed", []):
            self._progress.say(f"  service {service} has no model yet; publish one (`converge model publish`), then")
            self._progress.say(f"  converge model promote MODEL latest --stack {engine.STACK} --service {service}")
        self.show_pushed(outputs)
        return [self._predict(name, service) for name, service in outputs.get("services", {}).items()]

    def _settings(self) -> dict[str, Any]:
        choices = self._azure.choices
        return {
            "azure-native:subscriptionId": SUBSCRIPTION_ID,
            "azure-native:tenantId": TENANT_ID,
            "azure-native:location": "westeurope",
            "converge:storageAccountName": STORAGE_ACCOUNT,
            "converge:baseImage": choices.base_image or self._azure.base_image,
        }

    def _bring_up_to_date(self, stack: engine.Stack) -> dict[str, Any]:
        with self._progress.phase("pulumi preview"):
            plan = stack.preview()
        if plan.empty:
            self._progress.say("  nothing to change")
        else:
            for line in plan.details:
                self._progress.say(f"    plan: {line}")
            with self._progress.phase("pulumi up"):
                stack.update()
        return stack.outputs()

    def _restore(self, stack: engine.Stack, outputs: dict[str, Any]) -> dict[str, Any]:
        """Deploys again what somebody else deleted from the cluster, which an update by itself would not see."""
        services = {} if self._azure.choices.own_services else outputs.get("services", {})
        gone = [name for name, service in services.items() if self._service(service) is None]
        if not gone:
            return outputs
        self._progress.say(f"  {', '.join(gone)}: no longer in the cluster")
        with self._progress.phase("pulumi refresh"):
            stack.refresh()
        return self._bring_up_to_date(stack)

    def _give_first_model(self) -> None:
        listing = self._converge("model", "list", _SAMPLE_SERVICE, "--json")
        if not json.loads(listing):
            folder = self._sandbox.folder / "training" / _SAMPLE_SERVICE
            with self._progress.phase("train the sample model"):
                self._call([sys.executable, "-m", "training.train", "--out", str(folder)], "training the sample model", cwd=self._sandbox.checkout / _APP)
            with self._progress.phase("publish the sample model"):
                self._converge("model", "publish", _SAMPLE_SERVICE, str(folder))
        with self._progress.phase("promote the latest model"):
            # A reason, because the stack's own settings may ask for one.
            self._converge("model", "promote", _SAMPLE_SERVICE, "latest", "--stack", engine.STACK, "--reason", "the first model of the sandbox")

    def _predict(self, name: str, service: Mapping[str, Any]) -> Prediction:
        """Sends the first golden request of the deployed model through the Service."""
        with self._progress.phase("predict", quiet_under=1.0):
            case = self._golden_case(service["model"])
            request = {"inputs": case["inputs"]}
            path = f"/v2/models/{service['model']['name']}/infer"
            if self._azure.choices.own_services:
                url = f"http://127.0.0.1:8080{path}"
                answer = self._ask(service, lambda: self._post_through_api_server(service, path, request))
                self._progress.say(
                    f"  from this machine: kubectl --context {self._azure.choices.kube_context} --namespace {service['namespace']} "
                    f"port-forward service/{service['service']} 8080:{service['port']}"
                )
            else:
                url = f"{self._service_url(service)}{path}"
                answer = self._ask(service, lambda: httpx.post(url, json=request, timeout=10, trust_env=False).raise_for_status().json())
        return Prediction(service=name, url=url, model=service["model"], request=request, outputs=answer["outputs"], expected=case["outputs"])

    def _ask(self, service: Mapping[str, Any], call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Asks until the deployed version answers.

        After a restart of the node the pods are still being started, and for a moment after a roll-out a pod that is on its way out may get a request.
        """
        retrying = Retrying(
            retry=retry_if_exception_type((httpx.TransportError, _NotYetError)), stop=stop_after_delay(_ANSWERS_WITHIN), wait=wait_fixed(0.5), reraise=True
        )
        try:
            return retrying(lambda: _of_version(str(service["model"]["version"]), call()))
        except (httpx.HTTPError, _NotYetError) as error:
            raise LocalAzureError(f"service {service['service']} does not answer a prediction: {error}; `converge local status` shows what runs") from error

    def _post_through_api_server(self, service: Mapping[str, Any], path: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The way into a cluster whose Services this machine cannot reach: the API server hands the request on to the Service."""
        raw = f"/api/v1/namespaces/{service['namespace']}/services/http:{service['service']}:{service['port']}/proxy{path}"
        command = ["kubectl", "--kubeconfig", str(self._sandbox.kubeconfig), "create", "--raw", raw, "--filename", "-"]
        answer = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=False)
        if answer.returncode:
            raise _NotYetError(answer.stderr.strip())
        return json.loads(answer.stdout)

    def _golden_case(self, model: Mapping[str, Any]) -> dict[str, Any]:
        folder = self._sandbox.folder / "samples" / f"{model['name']}-{model['version']}-{model['sha256'][:12]}"
        golden = folder / "golden.json"
        if not golden.exists():
            self._converge("model", "fetch", model["name"], str(model["version"]), "--to", str(folder))
        return json.loads(golden.read_text())["cases"][0]

    def _service_url(self, service: Mapping[str, Any]) -> str:
        """Address of the Service from this machine, which routes the cluster's Service range to the node."""
        found = self._service(service)
        if found is None:
            raise LocalAzureError(f"the Service {service['service']} was deleted from the namespace {service['namespace']} just now; run `make up` again")
        return f"http://{found['spec']['clusterIP']}:{service['port']}"

    def _service(self, service: Mapping[str, Any]) -> dict[str, Any] | None:
        """The Service as the cluster has it; None when it has none."""
        answer = self._azure.kubernetes().client.get(f"/api/v1/namespaces/{service['namespace']}/services/{service['service']}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        return answer.json()

    def show_pushed(self, outputs: Mapping[str, Any]) -> None:
        """Says which layers of each service's image the image before did not have, with their sizes."""
        record = self._sandbox.folder / "deployed-images.json"
        before: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
        now = {name: service["image"] for name, service in outputs.get("services", {}).items()}
        for name, image in now.items():
            if image != before.get(name) and not self._azure.choices.own_services:
                known = {layer["digest"] for layer in _layers(before[name])} if name in before else set()
                layers = _layers(image)
                new = [layer for layer in layers if layer["digest"] not in known]
                self._progress.say(f"  image of {name}: {len(new)} of {len(layers)} layers are new, {sum(layer['size'] for layer in new):,} bytes")
        record.write_text(json.dumps(now))

    def _converge(self, *arguments: str) -> str:
        program = Path(sys.executable).with_name("converge")
        return self._call([str(program), *arguments], f"converge {' '.join(arguments[:3])}", cwd=self._sandbox.checkout)

    def _call(self, command: Sequence[str], what: str, *, cwd: Path) -> str:
        answer = subprocess.run(command, cwd=cwd, env={**os.environ, **self._environment}, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise LocalAzureError(f"{what} failed: {(answer.stderr or answer.stdout).strip()}")
        return answer.stdout


def _of_version(wanted: str, answer: dict[str, Any]) -> dict[str, Any]:
    if answer.get("model_version") != wanted:
        raise _NotYetError(f"version {answer.get('model_version')} of the model answers, not {wanted}")
    return answer


def _layers(image: str) -> list[dict[str, Any]]:
    """The layers of a pushed image; empty when the registry no longer has it."""
    repository, digest = image.split("@")
    host, name = repository.split("/", 1)
    accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json"
    answer = httpx.get(f"http://{host}/v2/{name}/manifests/{digest}", headers={"Accept": accept}, timeout=10, trust_env=False)
    if answer.status_code != 200:
        return []
    manifest = answer.json()
    if "manifests" in manifest:
        return _layers(f"{repository}@{manifest['manifests'][0]['digest']}")
    return manifest["layers"]
