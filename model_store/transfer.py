"""How far a transfer is: a bar on a terminal, plain lines in a log."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn


class TransferProgress:
    """Call it with a file's name, the bytes done and all bytes."""

    def __init__(self, console: Console, verb: str) -> None:
        self._console, self._verb = console, verb
        self._tasks: dict[str, TaskID] = {}
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=console, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bars:
            self._bars.stop()

    def __call__(self, file: str, done: int, total: int) -> None:
        """Shows the state of one file."""
        if self._bars:
            task = self._tasks.setdefault(file, self._bars.add_task(f"{self._verb} {file}", total=total)) if file not in self._tasks else self._tasks[file]
            self._bars.update(task, completed=done, total=total)
        elif file not in self._tasks:
            self._tasks[file] = TaskID(0)
            self._console.print(f"{self._verb} {file}, {decimal(total)}", highlight=False, markup=False, soft_wrap=True)
