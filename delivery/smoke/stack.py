"""The smoke test of a stack: every service that it runs."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from delivery.errors import DeliveryError
from delivery.release.record import SmokeResult
from delivery.smoke.checks import API_KEY, Inspection
from delivery.smoke.deployed import Deployed, DeployedModel
from delivery.smoke.golden import golden_requests
from delivery.smoke.way import way_in
from local_azure.progress import Progress
from model_store import LockedModel

_SECONDS = 10.0


def smoke(
    checkout: Path, services: Mapping[str, Deployed], models: Mapping[str, LockedModel], store: str, slowest_milliseconds: int, progress: Progress
) -> dict[str, SmokeResult]:
    """Asks every service, through the API server of kubectl's current context.

    Args:
        services: as the stack's outputs have them.
        models: of each service, with its signature and the hash of its golden requests.
        store: URL of the model store, for golden requests that are not in the checkout yet.

    Raises:
        DeliveryError: the cluster cannot be asked at all, or a service wants another API key; what a service does wrong is in its result.
    """
    if not services:
        return {}
    key = api_key(os.environ)
    seconds = max(_SECONDS, 2 * slowest_milliseconds / 1000)
    results: dict[str, SmokeResult] = {}
    with way_in() as way:
        for name, service in sorted(services.items()):
            with progress.phase(f"smoke test of {name} (cluster {way.context})"), way.client(service, seconds) as client:
                inspection = Inspection(client=client, service=service, model=models[name], slowest_milliseconds=slowest_milliseconds, api_key=key)
                results[name] = inspection.run(lambda name=name: golden_requests(checkout, models[name], store))
            for check in results[name].checks:
                progress.say(f"    {'?' if check.passed is None else 'ok' if check.passed else 'FAILED':<6} {check.name}: {check.text}")
    return results


def api_key(environment: Mapping[str, str]) -> str:
    """The key for services that ask for one; empty unless it is set. Raises DeliveryError when it cannot be one, without showing it."""
    key = environment.get(API_KEY, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise DeliveryError(f"{API_KEY} is no API key: it has characters that a header cannot carry")
    return key


def models_of(services: Mapping[str, Deployed], locked: Iterable[LockedModel], earlier: Callable[[], Iterable[LockedModel]] = tuple) -> dict[str, LockedModel]:
    """What is known of the models that services run.

    Args:
        locked: models of the lock.
        earlier: gets those of earlier releases; asked only when the lock has gone on since the last deployment.

    Raises:
        DeliveryError: a service runs a model that nobody has locked.
    """
    known = _by_identity(locked)
    if any(service.model not in known for service in services.values()):
        known = {**_by_identity(earlier()), **known}
    unknown = [name for name, service in services.items() if service.model not in known]
    if unknown:
        raise DeliveryError(f"{unknown[0]} runs {services[unknown[0]].model}, which neither the lock nor a release of the stack has; deploy the lock first")
    return {name: known[service.model] for name, service in services.items()}


def _by_identity(models: Iterable[LockedModel]) -> dict[DeployedModel, LockedModel]:
    return {DeployedModel(name=model.name, version=model.version, sha256=model.sha256): model for model in models}


def failures(results: Mapping[str, SmokeResult]) -> list[str]:
    """A line per check that failed."""
    return [f"{name}: {check.name}: {check.text}" for name, result in sorted(results.items()) for check in result.checks if check.passed is False]
