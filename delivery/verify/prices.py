"""What a run costs, by Azure's own price list of today."""

import httpx

_PRICES = "https://prices.azure.com/api/retail/prices"
_HOURS = 2
CALCULATOR = "https://azure.microsoft.com/pricing/calculator"


def note(client: httpx.Client, *, location: str, size: str, nodes: int) -> str:
    """A line about cost. The nodes are most of it; the rest is named."""
    rest = "besides: a load balancer with a public address, a Standard registry, an almost empty storage account"
    price = _hourly(client, location, size)
    if price is None:
        return f"cost: at most {nodes} nodes {size} for about {_HOURS} hours ({CALCULATOR}); {rest}"
    return f"cost: at most {nodes} nodes {size} at {price:.3f} USD an hour each, about {price * nodes * _HOURS:.2f} USD for {_HOURS} hours; {rest}"


def _hourly(client: httpx.Client, location: str, size: str) -> float | None:
    """Pay-as-you-go, Linux, in US dollars; None when the list cannot be read. It needs no login."""
    wanted = f"serviceName eq 'Virtual Machines' and armRegionName eq '{location}' and armSkuName eq '{size}' and priceType eq 'Consumption'"
    try:
        items = client.get(_PRICES, params={"$filter": wanted}).raise_for_status().json()["Items"]
        prices = [
            float(item["retailPrice"]) for item in items if "Windows" not in item["productName"] and not item["skuName"].endswith(("Spot", "Low Priority"))
        ]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
    return min(prices, default=None)
