"""A storage account without keys, and its blob service: what every account that holds something of value looks like."""

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_azure_native import storage

_SAS_LIVES_AT_MOST = "00.01:00:00"
"""Days.hours:minutes:seconds. The image build reads with signatures that are valid for less than an hour."""


def storage_account(
    name: str, group: pulumi.Input[str], *, sku: str, private: bool, allowed_ip_ranges: Sequence[str], tags: Mapping[str, str]
) -> storage.StorageAccountArgs:
    """The account, closed but for private endpoints or the given public addresses."""
    rules = [storage.IPRuleArgs(i_p_address_or_range=addresses, action=storage.Action.ALLOW) for addresses in allowed_ip_ranges]
    return storage.StorageAccountArgs(
        account_name=name,
        resource_group_name=group,
        kind=storage.Kind.STORAGE_V2,
        sku=storage.SkuArgs(name=sku),
        access_tier=storage.AccessTier.HOT,
        # No account key exists for anybody: every access is by identity.
        allow_shared_key_access=False,
        default_to_o_auth_authentication=True,
        allow_blob_public_access=False,
        allow_cross_tenant_replication=False,
        allowed_copy_scope=storage.AllowedCopyScope.PRIVATE_LINK if private else storage.AllowedCopyScope.AAD,
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
        public_network_access=storage.PublicNetworkAccess.DISABLED if private else storage.PublicNetworkAccess.ENABLED,
        network_rule_set=storage.NetworkRuleSetArgs(default_action=storage.DefaultAction.DENY, bypass=storage.Bypass.AZURE_SERVICES, ip_rules=rules),
        tags=tags,
    )


def blob_service(account: pulumi.Input[str], group: pulumi.Input[str], *, kept_days: int) -> storage.BlobServicePropertiesArgs:
    """Versions of everything, a record of every change, and a way back for what was deleted in the last days."""
    retention = storage.DeleteRetentionPolicyArgs(enabled=True, days=kept_days)
    return storage.BlobServicePropertiesArgs(
        account_name=account,
        resource_group_name=group,
        blob_services_name="default",
        is_versioning_enabled=True,
        change_feed=storage.ChangeFeedArgs(enabled=True),
        delete_retention_policy=retention,
        container_delete_retention_policy=retention,
    )
