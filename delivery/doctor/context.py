"""What every check may look at."""

from collections.abc import Sequence
from dataclasses import dataclass

from delivery.azure.arm import Arm
from delivery.azure.login import Caller
from delivery.azure.stack_file import StackFile


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Nodes of one size."""

    name: str
    size: str
    most: int


@dataclass(frozen=True, kw_only=True)
class Context:
    """The stack, and who asks."""

    file: StackFile
    project: str
    """Name of the Pulumi project: derived names depend on it."""
    arm: Arm
    caller: Caller
    plans_only: bool = False
    """Only what a preview needs."""

    @property
    def subscription(self) -> str:
        """Scope of the stack's subscription."""
        return f"/subscriptions/{self.file.subscription_id}"

    @property
    def private(self) -> bool:
        """Whether storage, registry and API server are reached from the network only."""
        return bool(self.file.get("converge:network.private", default=False))

    @property
    def pools(self) -> Sequence[Pool]:
        """The node pools that the stack wants; none when the cluster is somebody else's."""
        if self.file.get("converge:cluster.clusterId"):
            return ()
        cluster = self.file.section("converge:cluster")
        system = Pool(name="system", size=str(cluster.get("nodeSize", "Standard_D2ds_v5")), most=int(cluster.get("maxNodes", 3)))
        users = [
            Pool(name=str(pool.get("name", "")), size=str(pool.get("nodeSize", "Standard_D4ds_v5")), most=int(pool.get("maxNodes", 3)))
            for pool in cluster.get("userPools") or []
        ]
        return (system, *users)
