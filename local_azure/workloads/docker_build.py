"""What the docker-build plugin adds and overlooks (version 0.0.22, provider/internal/image.go)."""

import hashlib
import json

from local_azure.arm.wire import UNKNOWN
from local_azure.differences import Difference, lies_in
from local_azure.workloads.provider import Properties, WorkloadProvider, text_at

_IMAGE = "docker-build:index:Image"


class DockerBuildProvider(WorkloadProvider):
    """Images that nobody builds. Their digest follows from what they would be built from."""

    name = "docker-build"

    def knows(self, token: str) -> bool:
        """Images; an index of several platforms is not simulated."""
        return token == _IMAGE

    def identifier(self, token: str, inputs: Properties) -> str:  # noqa: ARG002 - the rules' common form
        """The digest, as with the real plugin after a build."""
        return text_at(inputs, "digest")

    def outputs(self, inputs: Properties, *, preview: bool) -> Properties:
        """Digest and references. A preview builds nothing, so it does not know them."""
        if preview and not inputs.get("buildOnPreview"):
            return {"digest": UNKNOWN, "ref": UNKNOWN, "contextHash": UNKNOWN}
        content = json.dumps({name: value for name, value in inputs.items() if name not in _NOT_CONTENT}, sort_keys=True)
        digest = f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
        tags = inputs.get("tags") or [""]
        return {"digest": digest, "ref": f"{tags[0]}@{digest}", "contextHash": hashlib.sha256(text_at(inputs, "context", "location").encode()).hexdigest()}

    def ignored(self, difference: Difference, inputs: Properties) -> bool:
        """Secrets that the program says are no reason to build, and passwords of registries."""
        secrets = tuple(f"secrets.{name}" for name in inputs.get("ignoreSecretsInDiffCalculation") or ())
        return lies_in(difference.path, secrets) or difference.path.endswith(".password")


_NOT_CONTENT = frozenset({"secrets", "ignoreSecretsInDiffCalculation", "registries", "buildOnPreview"})
