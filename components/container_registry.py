"""Where images are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import containerregistry

from components import azure_ids
from components.deletion_lock import deletion_lock
from components.diagnostics import diagnostics
from components.existing import asking_about
from components.patience import AwaitedGrant
from components.private_access import PrivateAccess, private_endpoint
from components.resource_group import group_name
from components.role_grants import Principal, Role, after, awaited, grant

_PREMIUM = "Premium"
_RESTORABLE_DAYS = 7
_RECORDED = ("ContainerRegistryRepositoryEvents", "ContainerRegistryLoginEvents")


@dataclass(frozen=True, kw_only=True)
class ContainerRegistryArgs:
    """What a container registry needs to know."""

    registry_name: str
    """5 to 50 letters and digits, unique in the world."""
    deployer: Principal
    """Who builds images: gets AcrPush."""
    sku: str = "Standard"
    """`Basic`, `Standard`, or `Premium`, which is spread over availability zones and can be private. Plain, because zones depend on it."""
    resource_group_id: str = ""
    """A resource group that exists already. Plain."""
    registry_id: str = ""
    """A registry that exists already; of it nothing is declared but a grant. Plain."""
    access: PrivateAccess | None = None
    """How the registry is reached privately; None: publicly. Plain."""
    log_workspace_id: pulumi.Input[str] | None = None
    """Log Analytics workspace for pushes, pulls and logins; None: nobody records them. Plain whether it is None."""
    locked: bool = False
    """Is there a lock in Azure against deletion? Plain."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of every resource."""

    def __post_init__(self) -> None:
        if self.access and not self.registry_id and self.sku != _PREMIUM:
            raise pulumi.InputPropertyError("sku", f"is {self.sku}; only Premium has private endpoints")


class ContainerRegistry(pulumi.ComponentResource):
    """A registry without admin user and anonymous pull, in a resource group of its own."""

    registry_id: pulumi.Output[str]
    """Azure resource id: the scope of grants to pull."""
    login_server: pulumi.Output[str]
    """Host name that images are named by. Known only once the deployer was granted to push there."""
    pushing: Sequence[AwaitedGrant]
    """What whoever pushes waits for: a grant counts everywhere only after a while."""

    def __init__(self, name: str, args: ContainerRegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("converge:index:ContainerRegistry", name, None, opts)
        registry = _adopted(name, args, self) if args.registry_id else _created(name, args, self)
        push = grant(f"{name}-push", role=Role.ACR_PUSH, scope=registry.id, principal=args.deployer, parent=self)
        if args.locked and not args.registry_id:
            deletion_lock(f"{name}-lock", scope=registry.id, notes="Holds the images of every release.", after=[push], parent=self)
        self.pushing = [awaited(Role.ACR_PUSH, registry.id, args.deployer, "the deployer")]
        self.registry_id = registry.id
        self.login_server = after(registry.login_server, push, *registry.ways)
        self.register_outputs({"registry_id": self.registry_id, "login_server": self.login_server})


@dataclass(frozen=True, kw_only=True)
class _Registry:
    """A registry, and through what it is reached."""

    id: pulumi.Output[str]
    login_server: pulumi.Output[str]
    ways: Sequence[pulumi.CustomResource] = ()


def _created(name: str, args: ContainerRegistryArgs, parent: pulumi.Resource) -> _Registry:
    group = group_name(f"{name}-group", existing=args.resource_group_id, tags=args.tags, parent=parent)
    # Zones are chosen when a registry is made; a change of its tier later must not make it anew, with its images.
    fixed = pulumi.ResourceOptions(parent=parent, ignore_changes=["zoneRedundancy"])
    registry = containerregistry.Registry(f"{name}-registry", _registry(args, group), opts=fixed)
    if args.log_workspace_id is not None:
        diagnostics(f"{name}-logs", resource=registry.id, workspace=args.log_workspace_id, categories=_RECORDED, parent=parent)
    ways = [private_endpoint(name, args.access, target=registry.id, part="registry", group=group, tags=args.tags, parent=parent)] if args.access else []
    return _Registry(id=registry.id, login_server=registry.login_server, ways=ways)


def _adopted(name: str, args: ContainerRegistryArgs, parent: pulumi.Resource) -> _Registry:
    # Asked, since a registry's DNS name is not always the usual one.
    found = containerregistry.get_registry_output(
        registry_name=azure_ids.name(args.registry_id),
        resource_group_name=azure_ids.resource_group(args.registry_id),
        opts=asking_about(name, args.registry_id, parent),
    )
    return _Registry(id=pulumi.Output.from_input(args.registry_id), login_server=found.login_server)


def _registry(args: ContainerRegistryArgs, group: pulumi.Input[str]) -> containerregistry.RegistryArgs:
    acr, premium, private = containerregistry, args.sku == _PREMIUM, args.access is not None
    return acr.RegistryArgs(
        registry_name=args.registry_name,
        resource_group_name=group,
        sku=acr.SkuArgs(name=args.sku),
        admin_user_enabled=False,
        anonymous_pull_enabled=False,
        # Public means: reached by name and token. Nodes pull from addresses that are not known beforehand.
        public_network_access=acr.PublicNetworkAccess.DISABLED if private else acr.PublicNetworkAccess.ENABLED,
        network_rule_set=acr.NetworkRuleSetArgs(default_action=acr.DefaultAction.DENY) if private else None,
        network_rule_bypass_options=acr.NetworkRuleBypassOptions.AZURE_SERVICES,
        # Layers come from the registry's own names, so that a firewall need not open all of Blob Storage.
        data_endpoint_enabled=premium,
        zone_redundancy=acr.ZoneRedundancy.ENABLED if premium else acr.ZoneRedundancy.DISABLED,
        policies=_policies(premium=premium, private=private),
        tags=args.tags,
    )


def _policies(*, premium: bool, private: bool) -> containerregistry.PoliciesArgs | None:
    """What Premium can do with images. Other tiers know none of it."""
    if not premium:
        return None
    acr = containerregistry
    return acr.PoliciesArgs(
        # Never: it deletes what no tag points at, also while pods run it by digest (learn.microsoft.com, "retention policy for untagged manifests").
        retention_policy=acr.RetentionPolicyArgs(status=acr.PolicyStatus.DISABLED),
        # What somebody deletes by mistake can be restored. It excludes retention, too.
        soft_delete_policy=acr.SoftDeletePolicyArgs(status=acr.PolicyStatus.ENABLED, retention_days=_RESTORABLE_DAYS),
        # Tokens for all of ARM are no way in.
        azure_ad_authentication_as_arm_policy=acr.AzureADAuthenticationAsArmPolicyArgs(status=acr.AzureADAuthenticationAsArmPolicyStatus.DISABLED),
        # Nothing leaves by export; Azure takes it only from a registry that is private.
        export_policy=acr.ExportPolicyArgs(status=acr.ExportPolicyStatus.DISABLED) if private else None,
    )
