"""The load generator's report."""

import json
from typing import Any

import pytest

from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.oha import parse


def report(**changes: Any) -> str:
    """As oha 1.16 writes it, without what is not read."""
    value = {
        "summary": {"successRate": 1.0, "total": 2.0, "requestsPerSec": 105.0},
        "latencyPercentiles": {"p50": 0.001, "p99": 0.004},
        "statusCodeDistribution": {"200": 200},
        "errorDistribution": {"aborted due to deadline": 10},
    }
    return json.dumps({**value, **changes})


def test_requests_that_the_end_cut_off_are_no_errors():
    load = parse(report())
    assert (load.requests_per_second, load.p50, load.p99, load.answered, load.errors) == (100.0, 0.001, 0.004, 200, {})


def test_only_200_counts_as_answered():
    load = parse(report(statusCodeDistribution={"200": 50, "503": 150}))
    assert load.requests_per_second == 25
    assert load.errors == {"status 503": 150}


def test_a_server_that_is_not_there():
    load = parse(report(latencyPercentiles={"p50": None, "p99": None}, statusCodeDistribution={}, errorDistribution={"Connection refused (os error 111)": 3}))
    assert (load.requests_per_second, load.answered) == (0, 0)
    assert load.errors == {"Connection refused (os error 111)": 3}


@pytest.mark.parametrize("text", ["", "[]", "{}", report(summary=None), report(statusCodeDistribution=[])])
def test_what_is_no_report(text: str):
    with pytest.raises(BenchmarkError, match="cannot be read"):
        parse(text)
