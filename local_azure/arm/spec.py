"""What is known of a resource type that no package tells: its id, names, rules and computed outputs, in one declarative object per type.

Its inputs, their types and limits come from `local_azure.arm.models`.
"""

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from local_azure.arm.models import Model, model_of
from local_azure.arm.services import Services
from local_azure.arm.wire import UNKNOWN, has_unknown

_NAMESPACE = uuid.UUID("6f1d2a52-3f0b-4c5e-9f0b-5d1c0a7be001")
"""Makes the ids that Azure would draw at random, the same each time for the same resource."""

NOWHERE = ".invalid"
"""Ends every host name behind which no service stands: reserved for names that never lead anywhere (RFC 6761). A name of Azure's own could be somebody's."""

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
        return re.fullmatch(self.pattern, name, re.ASCII) is not None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Something that ARM refuses although each property alone is right.

    Attributes:
        code: ARM's own.
        property: the input to blame.
        reads: dotted paths that the rule looks at; it waits until they are known.
        broken: what is wrong, in words; None when nothing is.
        source: where Azure says so.
    """

    code: str
    property: str
    reads: tuple[str, ...]
    broken: Callable[[Properties], str | None]
    source: str


Lookup = Callable[[str], Properties | None]
"""A resource's inputs and outputs by its id; None for one that is not there, or not in this simulation."""


@dataclass(frozen=True, kw_only=True)
class Relation:
    """Something that ARM refuses for what another resource is.

    Attributes:
        code: ARM's own.
        broken: what is wrong, in words, for the id, the inputs and a look-up; None when nothing is. A resource that cannot be looked up is no reason.
        source: where Azure says so.
    """

    code: str
    broken: Callable[[str, Properties, Lookup], str | None]
    source: str


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """One type of resource.

    Attributes:
        pulumi_type: Pulumi's name for it.
        arm_type: ARM's name for it.
        identifier: template of its id, with input properties in braces.
        name_property: the input that holds the name; filled from the Pulumi name when it is left out.
        fixed_name: the only name there is, for a resource that its parent always has.
        immutable: dotted paths that ARM cannot change in place.
        filled_in: inputs that ARM sets when they are left out.
        compute: the outputs' values, from id and inputs.
        respond: the inputs in the form in which ARM gives them back.
        apply: what happens in the service behind it; called after a create or update.
        remove: what happens there when it is deleted.
        unique: a key that no two resources of the type may share, with the code of ARM's refusal.
        rules: what properties together must obey.
        relations: what must be so of other resources.
        sources: where Azure says what stands here.
        unchecked: what Azure checks and the simulation does not, in words.
    """

    pulumi_type: str
    arm_type: str
    identifier: str
    name_property: str
    name_rule: NameRule | None = None
    fixed_name: str | None = None
    immutable: frozenset[str] = frozenset()
    filled_in: tuple[str, ...] = ()
    compute: Callable[[Context, str, Properties], Properties]
    respond: Callable[[Properties], Properties] = lambda inputs: inputs
    apply: Callable[[Context, Properties], None] = lambda _context, _inputs: None
    remove: Callable[[Context, Properties], None] = lambda _context, _inputs: None
    unique: Callable[[Properties], tuple[object, ...]] | None = None
    conflict_code: str = "Conflict"
    rules: tuple[Rule, ...] = ()
    relations: tuple[Relation, ...] = ()
    sources: tuple[str, ...] = ()
    unchecked: str = ""

    @cached_property
    def model(self) -> Model:
        """What the packages tell."""
        return model_of(self.pulumi_type)

    @cached_property
    def properties(self) -> frozenset[str]:
        """Every input that the SDK has."""
        return frozenset(self.model.inputs.properties)

    @property
    def in_url(self) -> frozenset[str]:
        """Inputs that stand in its URL and not in the body."""
        return frozenset({*re.findall(r"{(\w+)}", self.identifier), self.name_property})

    @cached_property
    def required(self) -> frozenset[str]:
        """Inputs without which ARM refuses."""
        return frozenset(name for name, declared in self.model.inputs.properties.items() if declared.required)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of what ARM adds."""
        return tuple(sorted({*self.model.outputs, *self.filled_in}))

    def id_of(self, context: Context, inputs: Properties) -> str:
        """The ARM id of a resource with these inputs."""
        names = {name: value for name, value in inputs.items() if isinstance(value, str)}
        made = self.identifier.format(**{"subscription": context.subscription_id, "name": self.fixed_name, **names})
        return f"/{made.lstrip('/')}"

    def parent_of(self, context: Context, inputs: Properties) -> str | None:
        """The id of the resource that must exist before; None for one that stands alone or extends another one."""
        if not self.identifier.startswith("/subscriptions/{subscription}/resourceGroups/") or "/providers/" not in self.identifier:
            return None
        group, _, rest = self.id_of(context, inputs).partition("/providers/")
        parts = rest.split("/")
        # namespace/type/name/type/name...; an account has its blob service from the start.
        above = parts[:-2] if parts[-4:-2] != ["blobServices", "default"] else parts[:-4]
        return f"{group}/providers/{'/'.join(above)}" if len(above) > 1 else group


def drawn_id(*parts: str) -> str:
    """A GUID as Azure would draw it for a resource; always the same for the same resource."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts).lower()))


def short_hash(*parts: str) -> str:
    """Eight hexadecimal digits, as Azure adds them to host names."""
    return hashlib.sha256("/".join(parts).lower().encode()).hexdigest()[:8]


def basics(kind: str, name_property: str, **more: Any) -> Callable[[Context, str, Properties], Properties]:
    """Outputs of a type that adds only its name, its type and that it is ready."""
    return lambda _context, _identifier, inputs: {"name": inputs[name_property], "type": kind, **more}


def at(inputs: Any, path: str) -> Any:
    """The value at a dotted path; None where a part of it is missing."""
    for name in path.split("."):
        if not isinstance(inputs, Mapping):
            return None
        inputs = inputs.get(name)
    return inputs


def elements(value: Any) -> list[Any]:
    """The elements of a list; none of what is not there or not known yet."""
    return value if isinstance(value, list) else []


def objects(inputs: Properties, path: str) -> Iterator[Properties]:
    """The objects of a list at a dotted path; what is not known yet is left out."""
    yield from (item for item in elements(at(inputs, path)) if isinstance(item, dict))


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
