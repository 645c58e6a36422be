"""Where models are kept: an account without keys, and a container in which nothing gets lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import storage

from components import azure_ids
from components.deletion_lock import deletion_lock
from components.diagnostics import diagnostics
from components.existing import asking_about
from components.patience import AwaitedGrant
from components.private_access import PrivateAccess, private_endpoint
from components.resource_group import group_name
from components.role_grants import Principal, Role, after, awaited, grant
from components.storage_account import blob_service, storage_account

CONTAINER = "models"
_RECORDED = ("StorageRead", "StorageWrite", "StorageDelete")


@dataclass(frozen=True, kw_only=True)
class ModelStorageArgs:
    """What a model storage needs to know."""

    account_name: str
    """3 to 24 lower-case letters and digits, unique in the world."""
    deployer: Principal
    """Who reads models to build images: gets Storage Blob Delegator on the account and Storage Blob Data Reader on the container."""
    contributor_group_id: str = ""
    """Entra group that may publish models. Plain, because it decides whether the grant exists."""
    sku: str = "Standard_LRS"
    """Redundancy."""
    soft_delete_days: int = 7
    """How long what was deleted can be restored: 1 to 365."""
    write_once_days: int = 0
    """For how many days nobody can change or delete a blob; 0 for never. Plain, because it decides whether the policy exists."""
    resource_group_id: str = ""
    """A resource group that exists already. Plain."""
    account_id: str = ""
    """A storage account that exists already, with a container `models`; of it nothing is declared but grants. Plain."""
    access: PrivateAccess | None = None
    """How the account is reached privately; None: publicly, from `allowed_ip_ranges`. Plain."""
    log_workspace_id: pulumi.Input[str] | None = None
    """Log Analytics workspace for reads, writes and deletions; None: nobody records them. Plain whether it is None."""
    locked: bool = False
    """Is there a lock in Azure against deletion? Plain."""
    allowed_ip_ranges: Sequence[str] = ()
    """Public addresses that may reach the account. Empty: none may."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of every resource."""

    def __post_init__(self) -> None:
        if not 1 <= self.soft_delete_days <= 365:
            raise pulumi.InputPropertyError("soft_delete_days", f"is {self.soft_delete_days}; Azure allows 1 to 365")


class ModelStorage(pulumi.ComponentResource):
    """A resource group of its own for data, the storage account, and the container of the models."""

    account_name: pulumi.Output[str]
    """Name of the storage account."""
    account_id: pulumi.Output[str]
    """Azure resource id of the storage account."""
    container_url: pulumi.Output[str]
    """URL of the container, https://<account>.blob.core.windows.net/models. Known only once the deployer was granted to read there."""
    reading: Sequence[AwaitedGrant]
    """What whoever reads there waits for: a grant counts everywhere only after a while."""

    def __init__(self, name: str, args: ModelStorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("converge:index:ModelStorage", name, None, opts)
        store = _adopted(name, args, self) if args.account_id else _created(name, args, self)
        (delegate, account), (read, container) = _rights_to_read(store)
        delegator = grant(f"{name}-delegator", role=delegate, scope=account, principal=args.deployer, parent=self)
        reader = grant(f"{name}-reader", role=read, scope=container, principal=args.deployer, parent=self)
        grants = [delegator, reader]
        if args.contributor_group_id:
            publishers = Principal(id=args.contributor_group_id, type="Group")
            role = Role.STORAGE_BLOB_DATA_CONTRIBUTOR
            grants.append(grant(f"{name}-publishers", role=role, scope=store.container_id, principal=publishers, parent=self))
        if args.locked and not args.account_id:
            deletion_lock(f"{name}-lock", scope=store.account_id, notes="Holds the models of every release.", after=grants, parent=self)
        self.reading = [awaited(*right, args.deployer, "the deployer") for right in _rights_to_read(store)]
        self.account_name, self.account_id = store.account_name, store.account_id
        self.container_url = after(pulumi.Output.concat(store.endpoint, CONTAINER), delegator, reader, *store.ways)
        self.register_outputs({"account_name": self.account_name, "account_id": self.account_id, "container_url": self.container_url})


@dataclass(frozen=True, kw_only=True)
class _Store:
    """An account with the container, and through what it is reached."""

    account_id: pulumi.Output[str]
    account_name: pulumi.Output[str]
    container_id: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    ways: Sequence[pulumi.CustomResource] = ()


def _rights_to_read(store: _Store) -> list[tuple[Role, pulumi.Input[str]]]:
    return [(Role.STORAGE_BLOB_DELEGATOR, store.account_id), (Role.STORAGE_BLOB_DATA_READER, store.container_id)]


def _created(name: str, args: ModelStorageArgs, parent: pulumi.Resource) -> _Store:
    child = pulumi.ResourceOptions(parent=parent)
    # Data has a resource group of its own: deleting the group of the cluster must never reach it.
    group = group_name(f"{name}-group", existing=args.resource_group_id, tags=args.tags, parent=parent)
    closed = {"private": args.access is not None, "allowed_ip_ranges": args.allowed_ip_ranges}
    account = storage.StorageAccount(f"{name}-account", storage_account(args.account_name, group, sku=args.sku, tags=args.tags, **closed), opts=child)
    blobs = storage.BlobServiceProperties(f"{name}-blobs", blob_service(account.name, group, kept_days=args.soft_delete_days), opts=child)
    container = storage.BlobContainer(
        f"{name}-container",
        account_name=account.name,
        resource_group_name=group,
        container_name=CONTAINER,
        public_access=storage.PublicAccess.NONE,
        immutable_storage_with_versioning=storage.ImmutableStorageWithVersioningArgs(enabled=True) if args.write_once_days else None,
        # Versioning first, so that there is no moment in which a model could be overwritten without a trace.
        # Write-once can be chosen only when the container is made; the plan is to say so instead of Azure, half-way through an update.
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[blobs], replace_on_changes=["immutableStorageWithVersioning"], delete_before_replace=True),
    )
    if args.write_once_days:
        storage.BlobContainerImmutabilityPolicy(
            f"{name}-write-once",
            account_name=account.name,
            resource_group_name=group,
            container_name=container.name,
            immutability_policy_name="default",
            immutability_period_since_creation_in_days=args.write_once_days,
            opts=child,
        )
    if args.log_workspace_id is not None:
        service = pulumi.Output.concat(account.id, "/blobServices/default")
        diagnostics(f"{name}-logs", resource=service, workspace=args.log_workspace_id, categories=_RECORDED, parent=parent)
    ways = [private_endpoint(name, args.access, target=account.id, part="blob", group=group, tags=args.tags, parent=parent)] if args.access else []
    endpoint = account.primary_endpoints.apply(lambda endpoints: endpoints.blob)
    return _Store(account_id=account.id, account_name=account.name, container_id=container.id, endpoint=endpoint, ways=ways)


def _adopted(name: str, args: ModelStorageArgs, parent: pulumi.Resource) -> _Store:
    account, group = azure_ids.name(args.account_id), azure_ids.resource_group(args.account_id)
    # Asked, since the DNS name of an account is not always the usual one.
    found = storage.get_storage_account_output(account_name=account, resource_group_name=group, opts=asking_about(name, args.account_id, parent))
    account_id = pulumi.Output.from_input(args.account_id)
    return _Store(
        account_id=account_id,
        account_name=pulumi.Output.from_input(account),
        container_id=pulumi.Output.concat(account_id, "/blobServices/default/containers/", CONTAINER),
        endpoint=found.primary_endpoints.apply(lambda endpoints: endpoints.blob),
    )
