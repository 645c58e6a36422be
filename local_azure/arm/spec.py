"""What is known of a resource type: its properties and rules, in one declarative object per type."""

import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_azure.arm.services import Services
from local_azure.arm.wire import UNKNOWN, has_unknown

_NAMESPACE = uuid.UUID("6f1d2a52-3f0b-4c5e-9f0b-5d1c0a7be001")
"""Makes the ids that Azure would draw at random, the same each time for the same resource."""

Properties = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a type may look at while it computes its outputs."""

    subscription_id: str
    tenant_id: str
    services: Services


@dataclass(frozen=True, kw_only=True)
class NameRule:
    """Azure's rule for a resource's name, and its words."""

    pattern: str
    words: str

    def allows(self, name: str) -> bool:
        return re.fullmatch(self.pattern, name) is not None


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """One type of resource.

    Attributes:
        pulumi_type: Pulumi's name for it.
        arm_type: ARM's name for it.
        identifier: template of its id, with input properties in braces.
        name_property: the input that holds the name; filled from the Pulumi name when it is left out.
        fixed_name: the only name there is, for a resource that its parent always has.
        properties: every input that ARM takes.
        required: inputs without which ARM refuses.
        choices: enumerated values, by dotted path; `[]` stands for every element of a list.
        immutable: dotted paths that ARM cannot change in place.
        outputs: names of the outputs that ARM adds.
        compute: the outputs' values, from id and inputs.
        respond: the inputs in the form in which ARM gives them back.
        apply: what happens in the service behind it; called after a create or update.
        remove: what happens there when it is deleted.
        unique: a key that no two resources of the type may share, with the code of ARM's refusal.
    """

    pulumi_type: str
    arm_type: str
    identifier: str
    name_property: str
    properties: frozenset[str]
    required: frozenset[str] = frozenset()
    name_rule: NameRule | None = None
    fixed_name: str | None = None
    choices: Mapping[str, frozenset[str]] = field(default_factory=dict)
    immutable: frozenset[str] = frozenset()
    outputs: tuple[str, ...]
    compute: Callable[[Context, str, Properties], Properties]
    respond: Callable[[Properties], Properties] = lambda inputs: inputs
    apply: Callable[[Context, Properties], None] = lambda _context, _inputs: None
    remove: Callable[[Context, Properties], None] = lambda _context, _inputs: None
    unique: Callable[[Properties], tuple[object, ...]] | None = None
    conflict_code: str = "Conflict"

    def id_of(self, context: Context, inputs: Properties) -> str:
        """The ARM id of a resource with these inputs."""
        return self.identifier.format(subscription=context.subscription_id, name=self.fixed_name, **{k: v for k, v in inputs.items() if isinstance(v, str)})

    def parent_of(self, context: Context, inputs: Properties) -> str | None:
        """The id of the resource that must exist before; None for one that stands alone."""
        identifier = self.id_of(context, inputs)
        if "{accountName}/" in self.identifier:
            return identifier.rsplit("/blobServices", 1)[0]
        if "/resourceGroups/" in self.identifier and "/providers/" in self.identifier:
            return identifier.split("/providers/")[0]
        return None


def drawn_id(*parts: str) -> str:
    """A GUID as Azure would draw it for a resource; always the same for the same resource."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts).lower()))


def short_hash(*parts: str) -> str:
    """Eight hexadecimal digits, as Azure adds them to host names."""
    return hashlib.sha256("/".join(parts).lower().encode()).hexdigest()[:8]


def chosen(*values: str) -> frozenset[str]:
    """An enumeration; ARM compares without regard to case."""
    return frozenset(values)


def with_identities(inputs: Properties) -> Properties:
    """Inputs whose user-assigned identities are a map by id, as ARM answers, instead of the list that it takes."""
    identity = inputs.get("identity")
    if not isinstance(identity, dict) or "userAssignedIdentities" not in identity:
        return inputs
    given = identity["userAssignedIdentities"]
    if not isinstance(given, list):
        return inputs
    answered: Any = UNKNOWN
    if not has_unknown(given):
        answered = {one: {"principalId": drawn_id(one, "principal"), "clientId": drawn_id(one, "client")} for one in given}
    return {**inputs, "identity": {**identity, "userAssignedIdentities": answered}}
