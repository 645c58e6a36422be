"""Runs steps side by side as soon as what each needs is there."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter


@dataclass(frozen=True, kw_only=True)
class Step:
    """One piece of work.

    Attributes:
        needs: names of the steps that must have ended before.
    """

    name: str
    run: Callable[[], None]
    needs: tuple[str, ...] = ()


def run_steps(steps: Iterable[Step], on_failure: Callable[[str, int], None] = lambda _name, _running: None) -> None:
    """Runs every step once, in parallel where their needs allow it. Ready steps start in the order given, so put the longest first.

    When one fails nothing new is started; what is running ends, then the first error is raised.

    Args:
        on_failure: called at once with the name of the step that failed and the number of those that are waited for.

    Raises:
        graphlib.CycleError: the needs go round in a circle.
        Exception: whatever the first failing step raised.
    """
    known = {step.name: step for step in steps}
    order = TopologicalSorter({name: step.needs for name, step in known.items()})
    order.prepare()
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(max_workers=len(known) or 1) as pool:
        while order.is_active():
            ready = set(order.get_ready())
            for step in (step for name, step in known.items() if name in ready):
                running[pool.submit(step.run)] = step.name
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                name = running.pop(future)
                if future.exception():
                    on_failure(name, len(running))
                future.result()
                order.done(name)
