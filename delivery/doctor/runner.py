"""Checks side by side, each within a time of its own: one that hangs holds up nobody, and one that breaks is a finding like any other."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing.pool import ThreadPool

from delivery.azure.errors import AzureError, RefusedError
from delivery.doctor.findings import Finding, failure

Check = Callable[[], Sequence[Finding]]
SECONDS = 30.0
"""Azure answers each of these questions within one or two; behind a proxy and with retries it may take longer."""
_FORBIDDEN = 403


def run(checks: Mapping[str, Check], *, seconds: float = SECONDS) -> list[Finding]:
    """The findings of all checks, in the order in which the checks are named.

    Args:
        seconds: for all of them together, since they run at once.
    """
    if not checks:
        return []
    broken: dict[str, BaseException] = {}
    # Leaving it waits for nobody, and its threads end with the process: a DNS server that does not answer cannot keep the command from ending.
    with ThreadPool(len(checks)) as pool:
        running = {name: pool.apply_async(check, error_callback=partial(broken.setdefault, name)) for name, check in checks.items()}
        until = time.monotonic() + seconds
        for answer in running.values():
            answer.wait(max(0.0, until - time.monotonic()))
    findings: list[Finding] = []
    for name, answer in running.items():
        if name in broken:
            findings.append(_broken(name, broken[name]))
        elif answer.ready() and answer.successful():
            findings += answer.get()
        else:
            findings.append(_broken(name, broken.get(name) or TimeoutError(f"no answer within {seconds:.0f} s")))
    return findings


def _broken(name: str, error: BaseException) -> Finding:
    if isinstance(error, RefusedError) and error.status == _FORBIDDEN:
        return failure(name, str(error), "ask for the role Reader on the subscription: without it nothing can be looked at")
    if isinstance(error, AzureError):
        return failure(name, str(error), "mend that, then run `converge doctor` again")
    if isinstance(error, TimeoutError):
        return failure(name, str(error), "check the network (VPN, proxy, DNS), then run `converge doctor` again")
    return failure(name, f"the check itself failed: {type(error).__name__}: {error}", "report this with the line above; the other checks do not depend on it")
