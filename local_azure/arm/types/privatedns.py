"""Microsoft.Network's private DNS, which is a service of its own for the SDK."""

from local_azure.arm.spec import Context, NameRule, Properties, ResourceType, basics

_ZONE_ID = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName}/providers/Microsoft.Network/privateDnsZones/{privateZoneName}"


def _zone(_context: Context, _identifier: str, inputs: Properties) -> Properties:
    return {
        "name": inputs["privateZoneName"],
        "type": "Microsoft.Network/privateDnsZones",
        "provisioningState": "Succeeded",
        "maxNumberOfRecordSets": 25000,
        "maxNumberOfVirtualNetworkLinks": 1000,
        "maxNumberOfVirtualNetworkLinksWithRegistration": 100,
    }


PRIVATE_ZONE = ResourceType(
    pulumi_type="azure-native:privatedns:PrivateZone",
    arm_type="Microsoft.Network/privateDnsZones",
    identifier=_ZONE_ID,
    name_property="privateZoneName",
    name_rule=NameRule(pattern=r"(?=.{1,253}$)[\w-]{1,63}(\.[\w-]{1,63}){1,33}", words="2 to 34 labels of 1 to 63 letters, digits, underscores and hyphens"),
    immutable=frozenset({"location"}),
    compute=_zone,
    unchecked="records",
    sources=("https://learn.microsoft.com/rest/api/dns/privatednszones/private-zones/create-or-update",),
)

VIRTUAL_NETWORK_LINK = ResourceType(
    pulumi_type="azure-native:privatedns:VirtualNetworkLink",
    arm_type="Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    identifier=f"{_ZONE_ID}/virtualNetworkLinks/{{virtualNetworkLinkName}}",
    name_property="virtualNetworkLinkName",
    name_rule=NameRule(
        pattern=r"[a-zA-Z0-9]([\w.-]{0,78}\w)?",
        words="1 to 80 letters, digits, underscores, periods and hyphens, starting with a letter or digit and ending with one or an underscore",
    ),
    immutable=frozenset({"location", "virtualNetwork"}),
    compute=basics(
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks", "virtualNetworkLinkName", provisioningState="Succeeded", virtualNetworkLinkState="Completed"
    ),
    # A network sees a zone once.
    unique=lambda inputs: (inputs["resourceGroupName"].lower(), inputs["privateZoneName"].lower(), str((inputs.get("virtualNetwork") or {}).get("id")).lower()),
    sources=("https://learn.microsoft.com/azure/dns/private-dns-virtual-network-links",),
)

TYPES = (PRIVATE_ZONE, VIRTUAL_NETWORK_LINK)
