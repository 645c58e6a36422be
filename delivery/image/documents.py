"""The two documents about an image: what is in it (CycloneDX), and what it was made from (SLSA provenance). The same image has the same ones."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from delivery.image.inventory import Item
from delivery.registry import Reference

SBOM_TYPE = "application/vnd.cyclonedx+json"
PROVENANCE_TYPE = "application/vnd.in-toto+json"
_NAMESPACE = uuid.UUID("5f0c1c0e-6f0b-5a34-9b3e-0d6a3e8c9d11")
_BUILD_TYPE = "urn:converge:image:v1"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What an image was made from.

    Attributes:
        commit: of the repository.
        dirty: files differed from it.
        app: folder of the app in it.
        base_image: <name>@sha256:<digest>.
        files: sha256 of what decides the packages, by path in the repository.
        model: name, version, and sha256 of each file.
        run: URL of the pipeline's run; None on a laptop.
    """

    commit: str
    dirty: bool
    app: str
    base_image: str
    files: Mapping[str, str]
    model: str
    model_version: int
    model_files: Mapping[str, str]
    run: str | None = None


def sbom(repository: str, digest: str, items: Iterable[Item]) -> dict[str, Any]:
    """A CycloneDX 1.6 document. Without a time: nothing in it depends on when it was written."""
    name = repository.rpartition("/")[2]
    image = f"pkg:oci/{name}@{digest.replace(':', '%3A')}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, digest)}",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "converge"}]},
            "component": {"type": "container", "bom-ref": image, "name": name, "version": digest, "purl": image},
        },
        "components": [_component(item) for item in items],
    }


def _component(item: Item) -> dict[str, Any]:
    model = item.kind == "model"
    return {
        "type": "machine-learning-model" if model else "library",
        "bom-ref": item.purl or f"model:{item.name}@{item.version}",
        "name": item.name,
        "version": item.version,
        **({"purl": item.purl} if item.purl else {}),
        **({"licenses": [{"expression": item.license}]} if item.license else {}),
        **({"hashes": [{"alg": "SHA-256", "content": item.sha256}]} if item.sha256 else {}),
    }


def provenance(repository: str, digest: str, origin: Origin) -> dict[str, Any]:
    """An in-toto statement with SLSA provenance, version 1."""
    base = Reference.parse(origin.base_image)
    dependencies = [
        {"uri": f"docker://{base}", "digest": {"sha256": (base.digest or "").removeprefix("sha256:")}},
        {"uri": "git+repository", "digest": {"gitCommit": origin.commit}, **({"annotations": {"dirty": True}} if origin.dirty else {})},
        *({"uri": path, "digest": {"sha256": sha256}} for path, sha256 in sorted(origin.files.items())),
        *({"uri": f"model:{origin.model}/{origin.model_version}/{name}", "digest": {"sha256": sha256}} for name, sha256 in sorted(origin.model_files.items())),
    ]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": repository, "digest": {"sha256": digest.removeprefix("sha256:")}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD_TYPE,
                "externalParameters": {"app": origin.app, "model": {"name": origin.model, "version": origin.model_version}},
                "resolvedDependencies": dependencies,
            },
            "runDetails": {
                "builder": {"id": f"urn:converge:{'pipeline' if origin.run else 'by-hand'}"},
                **({"metadata": {"invocationId": origin.run}} if origin.run else {}),
            },
        },
    }
