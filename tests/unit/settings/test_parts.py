from typing import Any

import pytest

from settings.schema import StackSettings
from tests.unit.settings.test_schema import parsed


def _with(*exposures: str) -> StackSettings:
    return parsed(services=[{"name": f"service{place}", "exposure": exposure} for place, exposure in enumerate(exposures)])


@pytest.mark.parametrize(
    ("exposures", "gateways", "open_to_internet"),
    [
        ((), [], False),
        (("cluster",), [], False),
        (("network", "cluster", "network"), ["Internal"], False),
        (("internet",), ["External"], True),
        # In one order, however the services are: another one would be a change of the cluster.
        (("network", "internet"), ["External", "Internal"], True),
        (("internet", "network"), ["External", "Internal"], True),
    ],
)
def test_gateways_follow_from_where_services_are_reached(exposures: tuple[str, ...], gateways: list[str], open_to_internet: bool):
    made = _with(*exposures)
    assert made.gateways == gateways
    assert made.open_to_internet is open_to_internet


def test_a_service_inside_the_cluster_is_not_reached():
    assert [service.reached for service in _with("cluster", "network", "internet").services] == [False, True, True]


def test_every_key_of_the_cluster_reaches_the_program_once():
    cluster: dict[str, Any] = {"nodeSize": "Standard_D8ds_v5", "minNodes": 2, "maxNodes": 5, "zones": ["1"], "userPools": [{"name": "apps"}]}
    made = parsed(cluster=cluster).cluster
    assert made.system_pool == {"node_size": "Standard_D8ds_v5", "min_nodes": 2, "max_nodes": 5}
    parts = [set(made.system_pool), set(made.plain_values), {"user_pools", "maintenance"}]
    assert set().union(*parts) == set(type(made).model_fields)
    assert sum(map(len, parts)) == len(type(made).model_fields)
    assert made.plain_values["zones"] == ("1",)


def test_a_pool_is_as_large_as_it_says():
    (pool,) = parsed(cluster={"userPools": [{"name": "apps", "maxNodes": 9}]}).cluster.user_pools
    assert pool.model_dump() == {"name": "apps", "node_size": "Standard_D4ds_v5", "min_nodes": 1, "max_nodes": 9}


def test_what_an_app_is_told_is_text_whatever_it_was():
    values: dict[str, Any] = {"ACCESS_LOG": "all", "MAX_ROWS": 4096, "SAMPLE_RATE": 0.5, "OTEL_SDK_DISABLED": False, "API_KEYS_FILE": "/keys", "MAX_TOKENS": 8}
    (service,) = parsed(services=[{"name": "digits", "environment": values}]).services
    assert service.environment == {
        "ACCESS_LOG": "all", "MAX_ROWS": "4096", "SAMPLE_RATE": "0.5", "OTEL_SDK_DISABLED": "false", "API_KEYS_FILE": "/keys", "MAX_TOKENS": "8",
    }  # fmt: skip


def test_a_service_reaches_nothing_unless_it_is_said():
    assert parsed().services[0].reaches == ()
    (service,) = parsed(services=[{"name": "digits", "reaches": [{"cidr": "20.190.128.7", "port": 443}, {"namespace": "telemetry", "port": 4318}]}]).services
    assert [reach.model_dump() for reach in service.reaches] == [
        {"cidr": "20.190.128.7/32", "namespace": "", "port": 443},
        {"cidr": "", "namespace": "telemetry", "port": 4318},
    ]
