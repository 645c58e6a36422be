import re
from typing import Any

import pulumi
import pytest
import yaml

from components.alert_rules import GATEWAY_JOB
from components.scraping import SERVICES_JOB, scraping
from tests.unit.components.recording import Registered, record


def _config(*, gateway: bool) -> Registered:
    def program() -> None:
        scraping("metrics", ["digits", "numbers"], gateway=gateway, parent=pulumi.ComponentResource("test:index:Owner", "owner"))

    return record(program).named("metrics")


def _jobs(*, gateway: bool) -> dict[str, dict[str, Any]]:
    return {job["job_name"]: job for job in yaml.safe_load(_config(gateway=gateway).inputs["data"]["prometheus-config"])["scrape_configs"]}


def test_the_metrics_agent_finds_it_under_the_name_that_it_looks_for():
    config = _config(gateway=True)
    metadata = config.inputs["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("ama-metrics-prometheus-config", "kube-system")
    assert list(config.inputs["data"]) == ["prometheus-config"]
    assert config.parent == "owner"


def test_a_gateway_is_read_only_where_there_is_one():
    assert list(_jobs(gateway=False)) == [SERVICES_JOB]
    assert list(_jobs(gateway=True)) == [SERVICES_JOB, GATEWAY_JOB]


@pytest.mark.parametrize(
    ("name", "namespaces", "path", "port", "kept", "left"),
    [
        (
            *(SERVICES_JOB, ["digits", "numbers"], "/metrics", 8080),
            ("http_server_request_duration_seconds_bucket", "inference_requests_total", "process_resident_memory_bytes"),
            ("python_gc_objects_collected_total",),
        ),
        (
            *(GATEWAY_JOB, ["aks-istio-ingress"], "/stats/prometheus", 15020),
            ("istio_requests_total", "istio_request_duration_milliseconds_bucket"),
            ("istio_request_bytes_bucket",),
        ),
    ],
)
def test_pods_are_read_and_only_what_is_needed_is_kept(name: str, namespaces: list[str], path: str, port: int, kept: tuple[str, ...], left: tuple[str, ...]):
    job = _jobs(gateway=True)[name]
    assert job["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": namespaces}}]
    assert job["metrics_path"] == path
    assert job["relabel_configs"][0]["replacement"] == f"$1:{port}"
    (rule,) = job["metric_relabel_configs"]
    assert rule["action"] == "keep"
    assert all(re.fullmatch(rule["regex"], metric) for metric in kept)
    assert not any(re.fullmatch(rule["regex"], metric) for metric in left)
