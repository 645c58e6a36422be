"""What Pulumi encrypts a stack's secrets with: a key that never leaves its vault."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import keyvault

from delivery.bootstrap.names import KEY
from delivery.bootstrap.wanted import Wanted

_RESTORED_WITHIN_DAYS = 90
"""The longest that Azure offers; it cannot be changed later."""


@dataclass(frozen=True, kw_only=True)
class SecretsProviderArgs:
    """What a secrets provider needs to know."""

    wanted: Wanted
    """Names, place and addresses."""
    group_name: pulumi.Input[str]
    """Resource group."""


class SecretsProvider(pulumi.ComponentResource):
    """A vault in which nothing can be lost for good, and the key."""

    key_id: pulumi.Output[str]
    """Azure resource id of the key: the scope of grants to use it."""

    def __init__(self, name: str, args: SecretsProviderArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("converge:bootstrap:SecretsProvider", name, None, opts)
        wanted, child = args.wanted, pulumi.ResourceOptions(parent=self)
        vault = keyvault.Vault(
            f"{name}-vault",
            vault_name=wanted.vault,
            resource_group_name=args.group_name,
            location=wanted.location,
            properties=_properties(wanted),
            tags=wanted.tags,
            opts=child,
        )
        key = keyvault.Key(
            f"{name}-key",
            key_name=KEY,
            vault_name=vault.name,
            resource_group_name=args.group_name,
            # Pulumi asks for RSA-OAEP-256. No expiry and no rotation by the vault: state that was encrypted stays readable.
            properties=keyvault.KeyPropertiesArgs(
                kty=keyvault.JsonWebKeyType.RSA, key_size=3072, key_ops=[keyvault.JsonWebKeyOperation.ENCRYPT, keyvault.JsonWebKeyOperation.DECRYPT]
            ),
            opts=child,
        )
        self.key_id = key.id
        self.register_outputs({"key_id": self.key_id})


def _properties(wanted: Wanted) -> keyvault.VaultPropertiesArgs:
    return keyvault.VaultPropertiesArgs(
        tenant_id=wanted.tenant_id,
        sku=keyvault.SkuArgs(family=keyvault.SkuFamily.A, name=keyvault.SkuName.STANDARD),
        enable_rbac_authorization=True,
        enable_soft_delete=True,
        # The key is all that can read the state's secrets.
        enable_purge_protection=True,
        soft_delete_retention_in_days=_RESTORED_WITHIN_DAYS,
        public_network_access="Enabled",
        network_acls=keyvault.NetworkRuleSetArgs(
            default_action=keyvault.NetworkRuleAction.DENY if wanted.allowed_ip_ranges else keyvault.NetworkRuleAction.ALLOW,
            bypass=keyvault.NetworkRuleBypassOptions.AZURE_SERVICES,
            ip_rules=[keyvault.IPRuleArgs(value=addresses) for addresses in wanted.allowed_ip_ranges],
        ),
    )
