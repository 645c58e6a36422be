"""Progress of long work: a live display on a terminal, one plain line per event elsewhere."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress as LiveProgress
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Progress:
    """Phases that run one after the other or side by side, each with its time. Safe to use from several threads."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.times: list[tuple[str, float]] = []
        self._lock = threading.Lock()
        self._live = LiveProgress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console, transient=True)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        # Elsewhere it was never started, and would print an empty line.
        if self.console.is_terminal:
            self._live.stop()

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def phase(self, title: str, *, quiet_under: float = 0.0) -> Iterator["Phase"]:
        """Shows a phase while it runs and its time when it is done.

        Args:
            quiet_under: a phase that took fewer seconds leaves no line; for checks that mostly find nothing to do.
        """
        task = self._live.add_task(title, total=None) if self.console.is_terminal else None
        if task is None and not quiet_under:
            self.say(f"  {title} ...")
        started = time.monotonic()
        try:
            yield Phase(self, title, task)
        finally:
            if task is not None:
                self._live.remove_task(task)
        elapsed = time.monotonic() - started
        with self._lock:
            self.times.append((title, elapsed))
        if elapsed >= quiet_under:
            self.say(f"  {title}: {elapsed:.1f} s")

    def update(self, task: TaskID | None, text: str) -> None:
        if task is not None:
            self._live.update(task, description=text)


class Phase:
    """What a running phase may say about itself."""

    def __init__(self, progress: Progress, title: str, task: TaskID | None) -> None:
        self._progress = progress
        self._title = title
        self._task = task

    def detail(self, text: str) -> None:
        """Shows what the phase is at, beside its title; only on a terminal, since a log would fill up."""
        self._progress.update(self._task, f"{self._title}: {text}")
