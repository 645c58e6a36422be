"""Reading Azure resource ids: /subscriptions/<id>/resourceGroups/<group>/providers/<namespace>/<type>/<name>[/<type>/<name>]."""


def subscription(resource_id: str) -> str:
    """The subscription's GUID."""
    return resource_id.split("/")[2]


def resource_group(resource_id: str) -> str:
    """Name of the resource group."""
    return resource_id.split("/")[4]


def name(resource_id: str) -> str:
    """Name of the resource itself."""
    return resource_id.rsplit("/", 1)[-1]


def parent(resource_id: str) -> str:
    """Id of what the resource is a part of: the network of a subnet."""
    return resource_id.rsplit("/", 2)[0]
