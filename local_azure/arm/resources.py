"""Putting, finding and deleting resources, with ARM's rules between them."""

import re
from collections.abc import Mapping
from typing import Any

from local_azure.arm import behaviour, diff, grants, locks
from local_azure.arm.adopted import Adopted, assumed
from local_azure.arm.clock import Clock
from local_azure.arm.errors import ArmError, OperationFailedError, PluginError
from local_azure.arm.faults import FaultBox, Operation
from local_azure.arm.known_errors import Call
from local_azure.arm.spec import Context, Properties, ResourceType
from local_azure.arm.state import State
from local_azure.arm.types import ALL

_VAULT = "azure-native:keyvault:Vault"
_DELETED_VAULT = "deleted vault"

Record = dict[str, Any]
Records = dict[str, Record]


class Resources:
    """The resources that one subscription's caller sees."""

    def __init__(self, state: State, context: Context) -> None:
        self.context = context
        self.faults = FaultBox(state.folder)
        self._adopted = Adopted(state.folder)
        self._state = state

    def put(self, kind: ResourceType, inputs: Properties, *, operation: Operation | None = None, urn: str = "") -> tuple[str, Properties]:
        """Creates a resource, or makes an existing one what the inputs say.

        Args:
            operation: `create` refuses what exists already, as the plugin does, unless it is a create of the same urn that was cut off. None: whichever fits.
            urn: Pulumi's name for the resource.

        Returns:
            Its id, and what reading it gives.

        Raises:
            ArmError: the parent is missing, another resource has what must be unique, a lock or a missing grant forbids it, or a fault was asked for.
        """
        identifier = kind.id_of(self.context, inputs)
        inputs = {name: value for name, value in inputs.items() if not name.startswith("__")}
        fault = self._fault(operation or "create", kind, identifier, inputs)
        if fault and not isinstance(fault, OperationFailedError):
            raise fault

        def edit(resources: Records) -> tuple[str, Properties]:
            before = resources.get(identifier.lower())
            self._check(kind, identifier, inputs, resources, before, operation, urn)
            inherited = self._inherited(kind, inputs, resources)
            outputs = {"azureApiVersion": "simulated", **inherited, **kind.compute(self.context, identifier, {**inputs, **inherited})}
            if fault and "provisioningState" in outputs:
                outputs["provisioningState"] = "Failed"
            since = (before or {}).get("at", Clock.now())
            body = behaviour.kept(kind.pulumi_type, before["inputs"], inputs) if before else inputs
            record = {
                "id": identifier,
                "token": kind.pulumi_type,
                "inputs": body,
                "outputs": outputs,
                "urn": urn or (before or {}).get("urn", ""),
                "at": since,
            }
            resources[identifier.lower()] = record
            # Only a create names a resource; Azure keeps the spelling of the first one.
            return identifier, self.answer(record, resources)

        identifier, answer = self._state.change(edit)
        if isinstance(fault, OperationFailedError):
            fault.left(identifier, answer, inputs)
            raise fault
        # After the record: cut off in between, the repeated PUT does it again.
        kind.apply(self.context, inputs)
        return identifier, answer

    def answer(self, record: Mapping[str, Any], resources: Mapping[str, Record] | None = None) -> Properties:
        """What reading a resource gives: what was put, ARM's defaults, and what ARM computes."""
        kind, all_resources = ALL[record["token"]], resources if resources is not None else self._state.read()
        body = behaviour.completed(kind.pulumi_type, kind.respond(record["inputs"]))
        computed = behaviour.inside(kind.pulumi_type, self.context, record["id"], {**record["inputs"], **record["outputs"]})
        answered = _overlaid(_overlaid(body, computed), {**behaviour.related(record, all_resources), **record["outputs"]})
        if listing := behaviour.PARENTS_LIST.get(kind.pulumi_type):
            answered[listing] = [*answered.get(listing, ()), *self._listed(record, answered.get(listing, ()), all_resources)]
        return answered

    def _listed(self, record: Mapping[str, Any], inline: list[Properties], resources: Mapping[str, Record]) -> list[Properties]:
        """The pools that are resources of their own, in the form in which the cluster answers with them."""
        known = {pool.get("name") for pool in inline}
        below = f"{record['id'].lower()}/agentpools/"
        found = [self.answer(pool, resources) for key, pool in sorted(resources.items()) if key.startswith(below)]
        foreign = {"resourceGroupName", "resourceName", "agentPoolName", "azureApiVersion"}
        return [{name: value for name, value in pool.items() if name not in foreign} for pool in found if pool["name"] not in known]

    def _fault(self, operation: Operation, kind: ResourceType, identifier: str, inputs: Properties) -> ArmError | None:
        facts = {"location": inputs.get("location") or "westeurope", "principal": str(inputs.get("principalId", "")), "vcpus": _vcpus(inputs)}
        who = {"subscription": self.context.subscription_id, "tenant": self.context.tenant_id}
        return self.faults.strike(operation, Call(arm_type=kind.arm_type, identifier=identifier, **who, **facts))

    def _check(
        self, kind: ResourceType, identifier: str, inputs: Properties, resources: Records, before: Record | None, operation: Operation | None, urn: str
    ) -> None:
        faults = self.faults.read()
        if operation == "create" and before and not kind.fixed_name and (faults.refuse_existing or before.get("urn", "") not in ("", urn)):
            raise PluginError(f"cannot create already existing resource '{identifier}'")
        self._check_parent(kind, inputs, resources)
        self._check_unique(kind, identifier, inputs, resources)
        self._check_relations(kind, identifier, {**inputs, **self._inherited(kind, inputs, resources)}, resources)
        locks.check("write", identifier, resources)
        if before:
            self._check_change(kind, inputs, self.answer(before, resources))
        elif kind.pulumi_type == _VAULT:
            self._check_deleted(inputs, resources)
        if refusal := grants.missing(kind.pulumi_type, identifier, inputs, resources, faults):
            raise refusal

    def _check_relations(self, kind: ResourceType, identifier: str, inputs: Properties, resources: Records) -> None:
        def lookup(other: str) -> Properties | None:
            found = resources.get(other.lower())
            return {**found["inputs"], **found["outputs"]} if found else None

        for relation in kind.relations:
            if wrong := relation.broken(identifier, inputs, lookup):
                raise ArmError(relation.code, wrong)

    def _check_change(self, kind: ResourceType, inputs: Properties, answered: Properties) -> None:
        listing = behaviour.PARENTS_LIST.get(kind.pulumi_type, "")
        known = {item.get("name") for item in answered.get(listing, ())}
        if any(item.get("name") not in known for item in inputs.get(listing) or ()):
            raise ArmError(
                "BadRequest",
                "A new agent pool was introduced. Adding agent pools to an existing cluster is not allowed through managed cluster operations. For agent pool "
                "specific change, please use per agent pool operations: https://aka.ms/agent-pool-rest-api",
            )
        if changed := diff.refused(kind, answered, inputs):
            raise ArmError("PropertyChangeNotAllowed", f"Changing property 'properties.{changed[0]}' is not allowed.")

    def _check_deleted(self, inputs: Properties, resources: Records) -> None:
        """A vault's name stays taken after the vault was deleted."""
        name = str(inputs.get("vaultName", "")).lower()
        for key, record in list(resources.items()):
            if record["token"] == _DELETED_VAULT and record["inputs"]["vaultName"].lower() == name:
                if (inputs.get("properties") or {}).get("createMode") != "recover":
                    raise ArmError(
                        "ConflictError",
                        "A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. "
                        "Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.",
                        409,
                    )
                del resources[key]

    def _inherited(self, kind: ResourceType, inputs: Properties, resources: Records) -> Properties:
        """The location of the resource group, for a resource that names none."""
        group = resources.get(f"/subscriptions/{self.context.subscription_id}/resourcegroups/{inputs.get('resourceGroupName', '')}".lower())
        return {"location": group["inputs"]["location"]} if "location" in kind.properties and "location" not in inputs and group else {}

    def _check_parent(self, kind: ResourceType, inputs: Properties, resources: Records) -> None:
        parent = kind.parent_of(self.context, inputs)
        if parent is None or parent.lower() in resources or self._adopted.has(parent):
            return
        name = parent.rsplit("/", 1)[-1]
        if "/providers/" in parent:
            raise ArmError(
                "ParentResourceNotFound",
                f"Failed to perform 'write' on resource(s) of type '{kind.arm_type}', because the parent resource '{name}' could not be found.",
                404,
            )
        raise ArmError("ResourceGroupNotFound", f"Resource group '{name}' could not be found.", 404)

    def _check_unique(self, kind: ResourceType, identifier: str, inputs: Properties, resources: Records) -> None:
        if kind.unique is None:
            return
        wanted = kind.unique(inputs)
        for other in resources.values():
            if other["token"] == kind.pulumi_type and other["id"].lower() != identifier.lower() and kind.unique(other["inputs"]) == wanted:
                words = behaviour.TAKEN.get(kind.pulumi_type, "{type} with {facts} exists already: {id}")
                name, bare = identifier.rsplit("/", 1)[-1], other["id"].rsplit("/", 1)[-1].replace("-", "")
                facts = ", ".join(map(str, wanted))
                raise ArmError(kind.conflict_code, words.format(name=name, bare_name=bare, type=kind.arm_type, facts=facts, id=other["id"]), 409)

    def delete(self, identifier: str) -> None:
        """Deletes a resource and all that lies in it; one that is gone already is no error.

        Raises:
            ArmError: a lock forbids it, or a fault was asked for.
        """
        found = self._state.find(identifier)
        if found and (fault := self._fault("delete", ALL[found["token"]], identifier, found["inputs"])):
            raise fault

        def edit(resources: Records) -> list[Record]:
            gone = [key for key in resources if key == identifier.lower() or key.startswith(f"{identifier.lower()}/")]
            locks.check("delete", identifier, resources)
            for key in gone:
                if resources[key]["token"] == _VAULT:
                    resources[f"deleted:{key}"] = {**resources[key], "token": _DELETED_VAULT}
            return [resources.pop(key) for key in gone]

        for resource in self._state.change(edit):
            ALL[resource["token"]].remove(self.context, resource["inputs"])

    def read(self, identifier: str) -> tuple[Record, Properties] | None:
        """A resource's record and what reading it gives; None when there is none.

        Raises:
            ArmError: a fault was asked for.
        """
        resources = self._state.read()
        found = resources.get(identifier.lower())
        if found is None:
            return None
        if fault := self._fault("read", ALL[found["token"]], identifier, found["inputs"]):
            raise fault
        return found, self.answer(found, resources)

    def get(self, kind: ResourceType, inputs: Properties) -> Record:
        """A resource by the names in its id. One that the simulation has not made is assumed to be there, and from then on counts as adopted."""
        identifier = kind.id_of(self.context, inputs)
        found = self._state.find(identifier)
        if found is not None:
            return found
        self._adopted.add(identifier)
        return assumed(kind, self.context, inputs)


def _overlaid(under: Properties, over: Mapping[str, Any]) -> Properties:
    """Both, object by object; where both have something else, `over` counts."""
    both = {name: _overlaid(under[name], value) for name, value in over.items() if isinstance(value, dict) and isinstance(under.get(name), dict)}
    return {**under, **over, **both}


def _vcpus(inputs: Properties) -> int:
    """Virtual processors that a cluster's or a pool's first nodes need, by the size's name."""
    pools = inputs.get("agentPoolProfiles") or ([inputs] if "vmSize" in inputs else [])
    found = [(pool.get("count") or 1, re.search(r"_[A-Z]+(\d+)", str(pool.get("vmSize", "")))) for pool in pools]
    return sum(count * int(size[1]) for count, size in found if size)
