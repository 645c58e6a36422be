"""Tables, ratios and claims."""

import json

from benchmarks.serving.measure import CONCURRENCIES, ROWS, Case, Measured
from benchmarks.serving.oha import Load
from benchmarks.serving.report import Run, as_json, claims, markdown, ratio, ratios_table


def load(rate: float, p99: float = 0.01) -> Load:
    return Load(requests_per_second=rate, p50=p99 / 2, p99=p99, answered=round(rate), errors={})


def peer(title: str, rate: float, p99: float = 0.01, size: int = 200_000_000) -> Measured:
    loads = {Case(rows=rows, concurrency=many): load(rate, p99) for rows in ROWS for many in CONCURRENCIES}
    return Measured(title=title, loads=loads, start_seconds=p99 * 100, rss=size, pss=size, environment_bytes=size)


def run(**others: Measured) -> Run:
    measured = {"ours": peer("this service", 20_000, p99=0.002, size=100_000_000), **others}
    return Run(machine={"cores": "2"}, seconds=1, rounds=1, measured=measured, session={1: 100_000.0, 32: 50_000.0})


def test_a_ratio_needs_both():
    assert ratio(10, 4) == 2.5
    assert ratio(None, 4) is None
    assert ratio(10, None) is None
    assert ratio(10, 0) is None


def test_the_best_model_server_counts_and_plain_fastapi_is_none():
    table = ratios_table(
        run(
            mlserver=peer("MLServer", 2_000),
            kserve=peer("KServe", 1_000),
            mlserver_bare=peer("bare", 8_000),
            fastapi=peer("plain FastAPI", 5_000),
            constant=peer("constant", 40_000),
        )
    )
    assert "| 1 | 16 | 10.0 (MLServer) | 2.5 | 4.0 | 50% | 20% |" in table
    assert "| 32 | 64 | 10.0 (MLServer) | 2.5 | 4.0 | 50% | 40% |" in table


def test_what_was_not_measured_stays_empty():
    assert "| 1 | 16 | - | - | - | - | 20% |" in ratios_table(run())
    assert claims(run()) == []


def test_claims_hold_or_not():
    good = claims(run(mlserver=peer("MLServer", 2_000), fastapi=peer("plain FastAPI", 5_000), constant=peer("constant answer", 40_000)))
    assert len(good) == 18
    assert all(claim.holds for claim in good)
    slow = {claim.text: claim for claim in claims(run(mlserver=peer("MLServer", 2_800, p99=0.001)))}
    assert not slow["1 row, 16 at once: times the best model server, at least 8"].holds
    assert slow["32 rows, 16 at once: times the best model server, at least 6"].holds
    assert slow["p99 in ms, 1 row, 16 at once, lower than each peer's"].found == "2.00; MLServer 1.00"
    assert not slow["p99 in ms, 1 row, 16 at once, lower than each peer's"].holds


def test_problems_are_told_with_whose_they_are():
    broken = Measured(title="KServe", problems=["it ended with 1 before it was ready"])
    found = run(kserve=broken)
    assert found.problems == ["KServe: it ended with 1 before it was ready"]
    text = markdown(found, workers=2)
    assert "- KServe: it ended with 1" in text
    assert "| KServe | - | - | - |" in text


def test_the_json_has_every_load():
    value = json.loads(json.dumps(as_json(run(mlserver=peer("MLServer", 2_000)))))
    assert {"rows": 1, "concurrency": 16, "form": "json", "workers": 1}.items() <= value["peers"]["mlserver"]["loads"][1].items()
    assert len(value["peers"]["ours"]["loads"]) == 6
    assert value["session_run"] == {"1": 100_000.0, "32": 50_000.0}
