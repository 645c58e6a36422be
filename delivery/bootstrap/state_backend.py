"""Where Pulumi keeps the stack's state: an account without keys in a locked resource group."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, resources, storage

from delivery.bootstrap.names import CONTAINER
from delivery.bootstrap.wanted import Wanted

_RESTORED_WITHIN_DAYS = 30
_SAS_LIVES_AT_MOST = "00.01:00:00"
"""Days.hours:minutes:seconds. Nobody needs a signature at all; one that somebody makes is refused when it lives longer."""


@dataclass(frozen=True, kw_only=True)
class StateBackendArgs:
    """What a state backend needs to know."""

    wanted: Wanted
    """Names, place and addresses."""


class StateBackend(pulumi.ComponentResource):
    """A resource group that cannot be deleted, the storage account, and the container of the state."""

    group_name: pulumi.Output[str]
    """Name of the resource group."""
    container_id: pulumi.Output[str]
    """Azure resource id of the container: the scope of grants on the state."""

    def __init__(self, name: str, args: StateBackendArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("converge:bootstrap:StateBackend", name, None, opts)
        wanted, child = args.wanted, pulumi.ResourceOptions(parent=self)
        group = resources.ResourceGroup(f"{name}-group", resource_group_name=wanted.group, location=wanted.location, tags=wanted.tags, opts=child)
        account = storage.StorageAccount(f"{name}-account", _account(wanted, group.name), opts=child)
        blobs = storage.BlobServiceProperties(f"{name}-blobs", _blob_service(group.name, account.name), opts=child)
        container = storage.BlobContainer(
            f"{name}-container",
            account_name=account.name,
            resource_group_name=group.name,
            container_name=CONTAINER,
            public_access=storage.PublicAccess.NONE,
            # Versioning first: there is no moment in which a state could be overwritten without a trace.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[blobs]),
        )
        authorization.ManagementLockByScope(
            f"{name}-lock",
            lock_name="converge-state",
            scope=group.id,
            level=authorization.LockLevel.CAN_NOT_DELETE,
            notes="Pulumi's state and the key of its secrets: without them nobody knows what the stack consists of.",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[container]),
        )
        self.group_name = group.name
        self.container_id = container.id
        self.register_outputs({"group_name": self.group_name, "container_id": self.container_id})


def _account(wanted: Wanted, group: pulumi.Input[str]) -> storage.StorageAccountArgs:
    return storage.StorageAccountArgs(
        account_name=wanted.account,
        resource_group_name=group,
        location=wanted.location,
        kind=storage.Kind.STORAGE_V2,
        sku=storage.SkuArgs(name=wanted.redundancy),
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
        sas_policy=storage.SasPolicyArgs(sas_expiration_period=_SAS_LIVES_AT_MOST, expiration_action=storage.ExpirationAction.BLOCK),
        public_network_access=storage.PublicNetworkAccess.ENABLED,
        network_rule_set=storage.NetworkRuleSetArgs(
            default_action=storage.DefaultAction.DENY if wanted.allowed_ip_ranges else storage.DefaultAction.ALLOW,
            bypass=storage.Bypass.AZURE_SERVICES,
            ip_rules=[storage.IPRuleArgs(i_p_address_or_range=addresses, action=storage.Action.ALLOW) for addresses in wanted.allowed_ip_ranges],
        ),
        tags=wanted.tags,
    )


def _blob_service(group: pulumi.Input[str], account: pulumi.Input[str]) -> storage.BlobServicePropertiesArgs:
    retention = storage.DeleteRetentionPolicyArgs(enabled=True, days=_RESTORED_WITHIN_DAYS)
    return storage.BlobServicePropertiesArgs(
        account_name=account,
        resource_group_name=group,
        blob_services_name="default",
        is_versioning_enabled=True,
        delete_retention_policy=retention,
        container_delete_retention_policy=retention,
    )
