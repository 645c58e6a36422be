"""Where models are kept: an account without keys, and a container in which nothing gets lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import resources, storage

from components.role_grants import Principal, Role, after, grant

CONTAINER = "models"
_SAS_LIVES_AT_MOST = "00.01:00:00"
"""Days.hours:minutes:seconds. The image build reads with signatures that are valid for less than an hour."""


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
    container_url: pulumi.Output[str]
    """URL of the container, https://<account>.blob.core.windows.net/models. Known only once the deployer may read there."""

    def __init__(self, name: str, args: ModelStorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("converge:index:ModelStorage", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # Data has a resource group of its own: deleting the group of the cluster must never reach it.
        group = resources.ResourceGroup(f"{name}-group", tags=args.tags, opts=child)
        account = storage.StorageAccount(f"{name}-account", _account(args, group.name), opts=child)
        blobs = storage.BlobServiceProperties(f"{name}-blobs", _blob_service(args, group.name, account.name), opts=child)
        container = storage.BlobContainer(
            f"{name}-container",
            account_name=account.name,
            resource_group_name=group.name,
            container_name=CONTAINER,
            public_access=storage.PublicAccess.NONE,
            # Versioning first, so that there is no moment in which a model could be overwritten without a trace.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[blobs]),
        )
        delegator = grant(f"{name}-delegator", role=Role.STORAGE_BLOB_DELEGATOR, scope=account.id, principal=args.deployer, parent=self)
        reader = grant(f"{name}-reader", role=Role.STORAGE_BLOB_DATA_READER, scope=container.id, principal=args.deployer, parent=self)
        if args.contributor_group_id:
            publishers = Principal(id=args.contributor_group_id, type="Group")
            grant(f"{name}-publishers", role=Role.STORAGE_BLOB_DATA_CONTRIBUTOR, scope=container.id, principal=publishers, parent=self)
        self.account_name = account.name
        endpoint = account.primary_endpoints.apply(lambda endpoints: endpoints.blob)
        self.container_url = after(pulumi.Output.concat(endpoint, CONTAINER), delegator, reader)
        self.register_outputs({"account_name": self.account_name, "container_url": self.container_url})


def _account(args: ModelStorageArgs, group: pulumi.Input[str]) -> storage.StorageAccountArgs:
    return storage.StorageAccountArgs(
        account_name=args.account_name,
        resource_group_name=group,
        kind=storage.Kind.STORAGE_V2,
        sku=storage.SkuArgs(name=args.sku),
        access_tier=storage.AccessTier.HOT,
        # No account key exists for anybody: every access is by identity.
        allow_shared_key_access=False,
        default_to_o_auth_authentication=True,
        allow_blob_public_access=False,
        allow_cross_tenant_replication=False,
        allowed_copy_scope=storage.AllowedCopyScope.AAD,
        is_local_user_enabled=False,
        is_sftp_enabled=False,
        enable_https_traffic_only=True,
        minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
        encryption=storage.EncryptionArgs(
            key_source=storage.KeySource.MICROSOFT_STORAGE,
            # Can be chosen only when the account is created, and costs nothing.
            require_infrastructure_encryption=True,
            services=storage.EncryptionServicesArgs(blob=storage.EncryptionServiceArgs(enabled=True, key_type=storage.KeyType.ACCOUNT)),
        ),
        sas_policy=storage.SasPolicyArgs(sas_expiration_period=_SAS_LIVES_AT_MOST, expiration_action=storage.ExpirationAction.LOG),
        public_network_access=storage.PublicNetworkAccess.ENABLED,
        network_rule_set=storage.NetworkRuleSetArgs(
            default_action=storage.DefaultAction.DENY,
            bypass=storage.Bypass.AZURE_SERVICES,
            ip_rules=[storage.IPRuleArgs(i_p_address_or_range=addresses, action=storage.Action.ALLOW) for addresses in args.allowed_ip_ranges],
        ),
        tags=args.tags,
    )


def _blob_service(args: ModelStorageArgs, group: pulumi.Input[str], account: pulumi.Input[str]) -> storage.BlobServicePropertiesArgs:
    retention = storage.DeleteRetentionPolicyArgs(enabled=True, days=args.soft_delete_days)
    return storage.BlobServicePropertiesArgs(
        account_name=account,
        resource_group_name=group,
        blob_services_name="default",
        is_versioning_enabled=True,
        change_feed=storage.ChangeFeedArgs(enabled=True),
        delete_retention_policy=retention,
        container_delete_retention_policy=retention,
    )
