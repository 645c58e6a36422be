"""What is checked of each type, by what, and what is not: the table of docs/simulated-arm.md."""

import re
from collections.abc import Iterator
from pathlib import Path

from local_azure.arm.models import Shape, model_of, shape_of
from local_azure.arm.models.sources import DIFFERENCES
from local_azure.arm.spec import ResourceType
from local_azure.arm.types import ALL

DOCUMENT = Path(__file__).parents[3] / "docs" / "simulated-arm.md"
_NAMES = "https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules"
_START, _END = "<!-- made by `python -m local_azure.arm.models` -->", "<!-- end of what is made -->"


def counts(kind: ResourceType) -> tuple[int, int]:
    """How many properties of a type's body, nested ones included, the model knows, and how many only the SDK knows."""
    seen: set[str] = set()
    modelled = sdk_only = 0
    waiting: list[Shape] = [kind.model.inputs]
    namespace = kind.pulumi_type.split(":")[1]
    while waiting:
        for declared in waiting.pop().properties.values():
            if declared.in_url:
                continue
            modelled += declared.modelled
            sdk_only += not declared.modelled
            for name in declared.type.strip("[]{}").split("|"):
                if name[0].isupper() and name not in seen:
                    seen.add(name)
                    waiting.append(shape_of(namespace, name))
    return modelled, sdk_only


def document(text: str) -> str:
    """The documentation with its tables made anew."""
    pattern = re.compile(f"{re.escape(_START)}.*?{re.escape(_END)}", re.DOTALL)
    return pattern.sub(lambda _: "\n".join([_START, *tables(), _END]), text)


def tables() -> Iterator[str]:
    """The lines of all tables."""
    yield from ("| type | API version: SDK, model | properties: model, SDK only | checked besides the body | not checked |", "|---|---|---|---|---|")
    for name in sorted(ALL):
        kind = ALL[name]
        modelled, sdk_only = counts(kind)
        yield f"| {_short(name)} | {_versions(kind)} | {modelled}, {sdk_only} | {', '.join(_besides(kind))} | {kind.unchecked} |"
    yield from ("", "Where the API versions differ:", "")
    yield from (f"- **{_short(name)}** ({_versions(ALL[name])}): {DIFFERENCES[name]}" for name in sorted(DIFFERENCES))
    yield from ("", "Rules between properties, and between resources:", "", "| type | looks at | ARM's code | source |", "|---|---|---|---|")
    for name in sorted(ALL):
        kind = ALL[name]
        yield from (f"| {_short(name)} | {rule.property} | {rule.code} | {_link(rule.source)} |" for rule in kind.rules)
        yield from (f"| {_short(name)} | other resources | {relation.code} | {_link(relation.source)} |" for relation in kind.relations)

    yield from ("", f"Names follow {_link(_NAMES)}. What cannot change, what is unique and what is answered:", "")
    for name in sorted(ALL):
        yield f"- {_short(name)}: {', '.join(map(_link, ALL[name].sources))}"


def _short(pulumi_type: str) -> str:
    return pulumi_type.removeprefix("azure-native:").replace(":", ".")


def _versions(kind: ResourceType) -> str:
    model = model_of(kind.pulumi_type)
    return model.sdk_api_version if model.sdk_api_version == model.model_api_version else f"{model.sdk_api_version}, {model.model_api_version}"


def _besides(kind: ResourceType) -> Iterator[str]:
    if kind.name_rule or kind.fixed_name:
        yield "name"
    if kind.unique:
        yield "unique"
    if kind.immutable:
        yield f"{len(kind.immutable)} that cannot change"
    for number, word in ((len(kind.rules), "rule"), (len(kind.relations), "relation")):
        if number:
            yield f"{number} {word}{'s' if number > 1 else ''}"


def _link(source: str) -> str:
    return f"[{source.removeprefix('https://').split('/')[-1]}]({source})"
