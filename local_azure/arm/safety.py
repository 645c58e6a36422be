"""The simulation must never be mistaken for Azure: it works in a sandbox, and refuses everything else before it does anything."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from local_azure.sandbox import MARKER

_REAL = "for Azure itself leave the sandbox's environment (a new shell) and run `pulumi plugin install resource azure-native`"


class NotASandboxError(Exception):
    """The simulation was started where a stack could be real."""


def sandbox_of(environment: Mapping[str, str]) -> Path:
    """The sandbox's folder, when everything around says that this is one.

    Raises:
        NotASandboxError: names what is missing or points elsewhere.
    """
    named = environment.get("CONVERGE_SANDBOX")
    if not named:
        raise NotASandboxError(f"this azure-native plugin simulates Azure and CONVERGE_SANDBOX is not set; {_REAL}")
    folder = Path(named).resolve()
    if not (folder / MARKER).is_file():
        raise NotASandboxError(f"CONVERGE_SANDBOX names {folder}, which is no sandbox (no {MARKER} in it); {_REAL}")
    backend = environment.get("PULUMI_BACKEND_URL", "")
    parts = urlsplit(backend)
    if parts.scheme != "file" or Path(unquote(parts.path)).resolve() != folder / "pulumi-state":
        raise NotASandboxError(
            f"the state backend is {_without_secrets(backend) or 'not set'}, and the simulated Azure may only touch file://{folder}/pulumi-state; {_REAL}"
        )
    home = environment.get("PULUMI_HOME", "")
    if not home or not Path(home).resolve().is_relative_to(folder):
        raise NotASandboxError(f"PULUMI_HOME is {home or 'not set'}, outside the sandbox {folder}; {_REAL}")
    return folder


def _without_secrets(url: str) -> str:
    return url.partition("?")[0]
