"""Putting, finding and deleting resources, with ARM's rules between them."""

from typing import Any

from local_azure.arm.errors import ArmError
from local_azure.arm.spec import Context, Properties, ResourceType
from local_azure.arm.state import State
from local_azure.arm.types import ALL


class Resources:
    """The resources that one subscription's caller sees."""

    def __init__(self, state: State, context: Context) -> None:
        self.context = context
        self._state = state

    def put(self, kind: ResourceType, inputs: Properties) -> tuple[str, Properties]:
        """Creates a resource, or makes an existing one what the inputs say: PUT is both, so an update that was cut off can be repeated.

        Returns:
            Its id and its outputs.

        Raises:
            ArmError: the parent is missing, or another resource has what must be unique.
        """
        identifier = kind.id_of(self.context, inputs)

        def edit(resources: dict[str, dict[str, Any]]) -> Properties:
            self._check_parent(kind, inputs, resources)
            self._check_unique(kind, identifier, inputs, resources)
            inherited = self._inherited(kind, inputs, resources)
            outputs = {"azureApiVersion": "simulated", **inherited, **kind.compute(self.context, identifier, {**inputs, **inherited})}
            resources[identifier.lower()] = {"id": identifier, "token": kind.pulumi_type, "inputs": inputs, "outputs": outputs}
            return outputs

        outputs = self._state.change(edit)
        # After the record: cut off in between, the repeated PUT does it again.
        kind.apply(self.context, inputs)
        return identifier, outputs

    def _inherited(self, kind: ResourceType, inputs: Properties, resources: dict[str, dict[str, Any]]) -> Properties:
        """The location of the resource group, for a resource that names none."""
        group = resources.get(f"/subscriptions/{self.context.subscription_id}/resourcegroups/{inputs.get('resourceGroupName', '')}".lower())
        return {"location": group["inputs"]["location"]} if "location" in kind.properties and "location" not in inputs and group else {}

    def _check_parent(self, kind: ResourceType, inputs: Properties, resources: dict[str, dict[str, Any]]) -> None:
        parent = kind.parent_of(self.context, inputs)
        if parent is None or parent.lower() in resources:
            return
        name = parent.rsplit("/", 1)[-1]
        if "/providers/" in parent:
            raise ArmError(
                "ParentResourceNotFound",
                f"Failed to perform 'write' on resource(s) of type '{kind.arm_type}', because the parent resource '{name}' could not be found.",
                404,
            )
        raise ArmError("ResourceGroupNotFound", f"Resource group '{name}' could not be found.", 404)

    def _check_unique(self, kind: ResourceType, identifier: str, inputs: Properties, resources: dict[str, dict[str, Any]]) -> None:
        if kind.unique is None:
            return
        wanted = kind.unique(inputs)
        for other in resources.values():
            if other["token"] == kind.pulumi_type and other["id"].lower() != identifier.lower() and kind.unique(other["inputs"]) == wanted:
                raise ArmError(kind.conflict_code, f"{kind.arm_type} with {', '.join(map(str, wanted))} exists already: {other['id']}", 409)

    def delete(self, identifier: str) -> None:
        """Deletes a resource and all that lies in it; one that is gone already is no error."""

        def edit(resources: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
            gone = [key for key in resources if key == identifier.lower() or key.startswith(f"{identifier.lower()}/")]
            return [resources.pop(key) for key in gone]

        for resource in self._state.change(edit):
            ALL[resource["token"]].remove(self.context, resource["inputs"])

    def get(self, kind: ResourceType, inputs: Properties) -> dict[str, Any]:
        """A resource by the names in its id.

        Raises:
            ArmError: there is none.
        """
        identifier = kind.id_of(self.context, inputs)
        found = self._state.find(identifier)
        if found is None:
            raise ArmError("ResourceNotFound", f"The Resource '{identifier.split('/providers/')[-1]}' was not found.", 404)
        return found
