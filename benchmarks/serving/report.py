"""Tables, ratios and the claims of one run: as Markdown for people, as JSON for what reads it."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .measure import BINARY_CONCURRENCY, CONCURRENCIES, ROWS, Case, Measured
from .peers import BARE_MLSERVER, CONSTANT, FASTAPI, FRAMEWORKS, OURS

_NONE = "-"
_LEAST_OF_BEST = {(1, 1): 2.5, (1, 16): 8.0, (1, 64): 8.0, (32, 1): 2.5, (32, 16): 6.0, (32, 64): 6.0}
"""By rows and concurrency: how many times the best model server's requests/s ours must be at least."""
_LEAST_OF_FASTAPI = 3.0
_LEAST_OF_CONSTANT = 0.45


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that one run gave; `measured` by the peers' names."""

    machine: Mapping[str, Any]
    seconds: float
    rounds: int
    measured: Mapping[str, Measured]
    session: Mapping[int, float]

    def rate(self, name: str, case: Case) -> float | None:
        """Requests/s; None if not measured."""
        measured = self.measured.get(name)
        load = measured.loads.get(case) if measured else None
        return load.requests_per_second if load else None

    def best(self, case: Case) -> tuple[str, float] | None:
        """The model server with most requests/s, and how many."""
        rates = [(rate, peer.title) for peer in FRAMEWORKS if (rate := self.rate(peer.name, case)) is not None]
        return (max(rates)[1], max(rates)[0]) if rates else None

    @property
    def problems(self) -> list[str]:
        """Errors and wrong answers, each with whose it is."""
        return [f"{measured.title}: {problem}" for measured in self.measured.values() for problem in measured.problems]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What should be so, and what is."""

    text: str
    found: str
    holds: bool


def ratio(ours: float | None, other: float | None) -> float | None:
    """How many times the other ours is; None where either is missing."""
    return ours / other if ours is not None and other else None


def _times(value: float | None) -> str:
    return _NONE if value is None else f"{value:.1f}"


def _rows(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def loads_table(run: Run, rows: int) -> str:
    """Requests/s, median and 99th percentile (ms) at each concurrency, and errors."""
    heads = ["", *(f"{text} at {number}" for number in CONCURRENCIES for text in ("requests/s", "p50", "p99")), "errors"]
    lines = []
    for measured in run.measured.values():
        line, errors = [measured.title], 0
        for concurrency in CONCURRENCIES:
            load = measured.loads.get(Case(rows=rows, concurrency=concurrency))
            line += [f"{load.requests_per_second:,.0f}", f"{load.p50 * 1000:.2f}", f"{load.p99 * 1000:.2f}"] if load else [_NONE] * 3
            errors += sum(load.errors.values()) if load else 0
        lines.append([*line, str(errors)])
    return _markdown(heads, lines)


def weights_table(run: Run) -> str:
    """Memory, start-up, size of the environment."""
    lines = []
    for measured in run.measured.values():
        sizes = [_NONE if size is None else f"{size / 1e6:,.0f}" for size in (measured.rss, measured.pss, measured.environment_bytes, measured.packed_bytes)]
        start = _NONE if measured.start_seconds is None else f"{measured.start_seconds:.2f}"
        lines.append([measured.title, *sizes[:2], start, *sizes[2:]])
    return _markdown(["", "MB resident", "MB proportional", "s to first answer", "MB environment", "MB as a layer"], lines)


def ratios_table(run: Run) -> str:
    """Ours against the best model server, plain FastAPI and the two limits."""
    lines = []
    for rows in ROWS:
        for concurrency in CONCURRENCIES:
            case = Case(rows=rows, concurrency=concurrency)
            ours, best = run.rate(OURS.name, case), run.best(case)
            of_best = _NONE if best is None else f"{_times(ratio(ours, best[1]))} ({best[0]})"
            constant, session = ratio(ours, run.rate(CONSTANT.name, case)), ratio(ours, run.session.get(rows))
            bare = _times(ratio(ours, run.rate(BARE_MLSERVER.name, case)))
            shares = [_NONE if share is None else f"{share:.0%}" for share in (constant, session)]
            lines.append([str(rows), str(concurrency), of_best, bare, _times(ratio(ours, run.rate(FASTAPI.name, case))), *shares])
    heads = ["rows", "at once", "times the best model server", "times MLServer without metrics", "times plain FastAPI", "of a constant", "of `session.run`"]
    return _markdown(heads, lines)


def extra_table(run: Run, workers: int) -> str:
    """As many workers as cores, and the binary tensor extension: requests/s of those who have been measured."""
    cases = {f"{_rows(rows)}, {workers} workers": Case(rows=rows, concurrency=64, workers=workers) for rows in ROWS}
    cases |= {f"{_rows(rows)}, binary": Case(rows=rows, concurrency=BINARY_CONCURRENCY, form="binary") for rows in ROWS}
    lines = []
    for name, measured in run.measured.items():
        rates = [run.rate(name, case) for case in cases.values()]
        if any(rate is not None for rate in rates):
            ours = [ratio(run.rate(OURS.name, case), rate) for case, rate in zip(cases.values(), rates, strict=True)]
            cells = [_NONE if rate is None else f"{rate:,.0f} ({_times(times)})" for rate, times in zip(rates, ours, strict=True)]
            lines.append([measured.title, *cells])
    return _markdown(["", *cases], lines)


def claims(run: Run) -> list[Claim]:
    """What is said of this service, held against the run; only what could be measured."""
    found = [
        _at_least(f"{_rows(rows)}, {concurrency} at once: times the best model server", _of_best(run, rows, concurrency), least)
        for (rows, concurrency), least in _LEAST_OF_BEST.items()
    ]
    case = Case(rows=1, concurrency=16)
    found.append(_at_least("1 row, 16 at once: times plain FastAPI", ratio(run.rate(OURS.name, case), run.rate(FASTAPI.name, case)), _LEAST_OF_FASTAPI))
    shares = [ratio(run.rate(OURS.name, Case(rows=1, concurrency=many)), run.rate(CONSTANT.name, Case(rows=1, concurrency=many))) for many in CONCURRENCIES[1:]]
    found += [
        _at_least(f"1 row, {many} at once: share of a constant answer", share, _LEAST_OF_CONSTANT)
        for many, share in zip(CONCURRENCIES[1:], shares, strict=True)
    ]
    return [*(claim for claim in found if claim), *_lower(run)]


def _of_best(run: Run, rows: int, concurrency: int) -> float | None:
    case = Case(rows=rows, concurrency=concurrency)
    best = run.best(case)
    return ratio(run.rate(OURS.name, case), best[1]) if best else None


def _at_least(text: str, value: float | None, least: float) -> Claim | None:
    return None if value is None else Claim(text=f"{text}, at least {least:g}", found=f"{value:.2f}", holds=value >= least)


def _lower(run: Run) -> list[Claim]:
    """P99, memory and start-up lower than each peer's."""
    ours = run.measured.get(OURS.name)
    others = [run.measured[peer.name] for peer in (*FRAMEWORKS, FASTAPI) if peer.name in run.measured]
    if not ours or not others:
        return []
    compared: dict[str, tuple[float | None, list[tuple[float | None, str]]]] = {
        "MB resident": (_millions(ours.rss), [(_millions(other.rss), other.title) for other in others]),
        "MB proportional": (_millions(ours.pss), [(_millions(other.pss), other.title) for other in others]),
        "s to the first answer": (ours.start_seconds, [(other.start_seconds, other.title) for other in others]),
    }
    for rows in ROWS:
        for concurrency in CONCURRENCIES:
            case = Case(rows=rows, concurrency=concurrency)
            compared[f"p99 in ms, {_rows(rows)}, {concurrency} at once"] = (_p99(ours, case), [(_p99(other, case), other.title) for other in others])
    found = []
    for text, (value, rest) in compared.items():
        known = [(other, title) for other, title in rest if other is not None]
        if value is not None and known:
            least, title = min(known)
            found.append(Claim(text=f"{text}, lower than each peer's", found=f"{value:.2f}; {title} {least:.2f}", holds=value < least))
    return found


def _millions(value: float | None) -> float | None:
    return None if value is None else value / 1e6


def _p99(measured: Measured, case: Case) -> float | None:
    load = measured.loads.get(case)
    return load.p99 * 1000 if load else None


def markdown(run: Run, workers: int) -> str:
    """The whole run."""
    machine = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    parts = [f"Measured with {machine}; {run.seconds:g} s each, the best of {run.rounds}."]
    for rows in ROWS:
        parts += [f"### {_rows(rows)} a request (latency in ms)", loads_table(run, rows)]
    session = ", ".join(f"{rate:,.0f} calls/s with {_rows(rows)}" for rows, rate in sorted(run.session.items()))
    parts += [f"`session.run` alone: {session}." if session else "", "### Memory under load, start-up, size", weights_table(run)]
    parts += ["### This service against the others", ratios_table(run)]
    parts += ["### More workers, binary tensors (requests/s; in brackets: how many times as many this service answers)", extra_table(run, workers)]
    parts += ["### Claims", _markdown(["", "found", "holds"], [[claim.text, claim.found, "yes" if claim.holds else "**no**"] for claim in claims(run)])]
    if run.problems:
        parts += ["### Errors and wrong answers", "\n".join(f"- {problem}" for problem in run.problems)]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_json(run: Run) -> dict[str, Any]:
    """The whole run, for machines."""
    peers = {}
    for name, measured in run.measured.items():
        value = {**vars(measured), "loads": [{**dataclasses.asdict(case), **dataclasses.asdict(load)} for case, load in measured.loads.items()]}
        peers[name] = value
    return {
        "machine": dict(run.machine),
        "seconds": run.seconds,
        "rounds": run.rounds,
        "peers": peers,
        "session_run": {str(rows): rate for rows, rate in run.session.items()},
        "claims": [dataclasses.asdict(claim) for claim in claims(run)],
        "problems": run.problems,
    }
