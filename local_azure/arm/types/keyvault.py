"""Microsoft.KeyVault."""

from local_azure.arm.spec import NOWHERE, Context, NameRule, Properties, ResourceType, short_hash
from local_azure.arm.types.storage_rules import VAULT_RULES
from local_azure.arm.wire import UNKNOWN

_VAULT_ID = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName}/providers/Microsoft.KeyVault/vaults/{vaultName}"


def _vault(_context: Context, _identifier: str, inputs: Properties) -> Properties:
    name = inputs["vaultName"]
    return {
        "name": name,
        "type": "Microsoft.KeyVault/vaults",
        "properties": {**inputs["properties"], "vaultUri": _uri(name), "provisioningState": "Succeeded"},
    }


def _answered_vault(inputs: Properties) -> Properties:
    return {**inputs, "properties": {**inputs["properties"], "vaultUri": UNKNOWN}} if isinstance(inputs.get("properties"), dict) else inputs


def _key(_context: Context, identifier: str, inputs: Properties) -> Properties:
    asked = inputs["properties"]
    uri = f"{_uri(inputs['vaultName'])}keys/{inputs['keyName']}"
    return {
        "name": inputs["keyName"],
        "type": "Microsoft.KeyVault/vaults/keys",
        "kty": asked.get("kty", "RSA"),
        "keySize": asked.get("keySize", 2048),
        "keyUri": uri,
        "keyUriWithVersion": f"{uri}/{short_hash(identifier, 'version') * 4}",
    }


def _uri(vault: str) -> str:
    return f"https://{vault.lower()}.vault.azure.net{NOWHERE}/"


VAULT = ResourceType(
    pulumi_type="azure-native:keyvault:Vault",
    arm_type="Microsoft.KeyVault/vaults",
    identifier=_VAULT_ID,
    name_property="vaultName",
    name_rule=NameRule(
        pattern=r"(?!.*--)[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]",
        words="3 to 24 letters, digits and single hyphens, starting with a letter and not ending with a hyphen",
    ),
    immutable=frozenset({"location"}),
    compute=_vault,
    respond=_answered_vault,
    unique=lambda inputs: (inputs["vaultName"].lower(),),
    conflict_code="VaultAlreadyExists",
    sources=("https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates",),
    rules=VAULT_RULES,
    unchecked="access policies",
)

KEY = ResourceType(
    pulumi_type="azure-native:keyvault:Key",
    arm_type="Microsoft.KeyVault/vaults/keys",
    identifier=f"{_VAULT_ID}/keys/{{keyName}}",
    name_property="keyName",
    name_rule=NameRule(pattern=r"[a-zA-Z0-9-]{1,127}", words="1 to 127 letters, digits and hyphens"),
    # ARM makes keys and never changes one: "It does not allow updating existing keys".
    immutable=frozenset({"properties"}),
    compute=_key,
    sources=("https://learn.microsoft.com/rest/api/keyvault/keyvault/keys/create-if-not-exist",),
)

TYPES = (VAULT, KEY)
