"""Azure's own lock: nobody deletes what lies below it, whoever they are, before the lock is gone."""

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import authorization


def deletion_lock(name: str, *, scope: pulumi.Input[str], notes: str, after: Sequence[pulumi.Resource], parent: pulumi.Resource) -> None:
    """Locks a resource against deletion.

    Args:
        name: Pulumi's name of the lock.
        scope: Azure resource id of what is locked.
        notes: what people read who are refused.
        after: the grants at the same scope. A lock keeps grants, too, so when all of it is deleted the lock must go first.
        parent: the component.
    """
    authorization.ManagementLockByScope(
        name,
        scope=scope,
        level=authorization.LockLevel.CAN_NOT_DELETE,
        notes=notes,
        # Protected itself, it could not be taken away any more, which changing a grant below it needs.
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(after), protect=False),
    )
