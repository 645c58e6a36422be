"""Where images are kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import containerregistry, resources

from components.role_grants import Principal, Role, after, grant

_PREMIUM = "Premium"


@dataclass(frozen=True, kw_only=True)
class ContainerRegistryArgs:
    """What a container registry needs to know."""

    registry_name: str
    """5 to 50 letters and digits, unique in the world."""
    deployer: Principal
    """Who builds images: gets AcrPush."""
    sku: str = "Standard"
    """`Basic`, `Standard`, or `Premium`, which is spread over availability zones. Plain, because zones depend on it."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of every resource."""


class ContainerRegistry(pulumi.ComponentResource):
    """A registry without admin user and anonymous pull, in a resource group of its own."""

    registry_id: pulumi.Output[str]
    """Azure resource id: the scope of grants to pull."""
    login_server: pulumi.Output[str]
    """Host name that images are named by. Known only once the deployer may push there."""

    def __init__(self, name: str, args: ContainerRegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("converge:index:ContainerRegistry", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = resources.ResourceGroup(f"{name}-group", tags=args.tags, opts=child)
        premium = args.sku == _PREMIUM
        registry = containerregistry.Registry(
            f"{name}-registry",
            registry_name=args.registry_name,
            resource_group_name=group.name,
            sku=containerregistry.SkuArgs(name=args.sku),
            admin_user_enabled=False,
            anonymous_pull_enabled=False,
            # Reached by name and token until it gets a private endpoint; nodes pull from addresses that are not known beforehand.
            public_network_access=containerregistry.PublicNetworkAccess.ENABLED,
            network_rule_bypass_options=containerregistry.NetworkRuleBypassOptions.AZURE_SERVICES,
            zone_redundancy=containerregistry.ZoneRedundancy.ENABLED if premium else containerregistry.ZoneRedundancy.DISABLED,
            tags=args.tags,
            opts=child,
        )
        push = grant(f"{name}-push", role=Role.ACR_PUSH, scope=registry.id, principal=args.deployer, parent=self)
        self.registry_id = registry.id
        self.login_server = after(registry.login_server, push)
        self.register_outputs({"registry_id": self.registry_id, "login_server": self.login_server})
