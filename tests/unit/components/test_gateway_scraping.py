import re

import pulumi
import yaml

from components.alert_rules import GATEWAY_JOB
from components.gateway_scraping import gateway_scraping
from tests.unit.components.recording import record


def _program() -> None:
    gateway_scraping("gateway-metrics", parent=pulumi.ComponentResource("test:index:Owner", "owner"))


def test_the_metrics_agent_finds_it_under_the_name_that_it_looks_for():
    config = record(_program).named("gateway-metrics")
    metadata = config.inputs["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("ama-metrics-prometheus-config", "kube-system")
    assert list(config.inputs["data"]) == ["prometheus-config"]
    assert config.parent == "owner"


def test_the_gateways_pods_are_read_and_only_what_alerts_need_is_kept():
    (job,) = yaml.safe_load(record(_program).named("gateway-metrics").inputs["data"]["prometheus-config"])["scrape_configs"]
    assert job["job_name"] == GATEWAY_JOB
    assert job["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": ["aks-istio-ingress"]}}]
    assert job["metrics_path"] == "/stats/prometheus"
    assert job["relabel_configs"][0]["replacement"] == "$1:15020"
    (kept,) = job["metric_relabel_configs"]
    assert kept["action"] == "keep"
    for metric in ("istio_requests_total", "istio_request_duration_milliseconds_bucket"):
        assert re.fullmatch(kept["regex"], metric)
    assert not re.fullmatch(kept["regex"], "istio_request_bytes_bucket")
