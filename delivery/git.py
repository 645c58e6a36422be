"""git as a process: the same words on every machine, nothing that waits for a person, and no password in what it says."""

import os
import re
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from delivery.errors import DeliveryError

NO_ANSWER = 124
"""Code of an answer that did not come in time; git itself has no such code."""

_ENVIRONMENT = {
    # Its messages are read, too, so they must be in one language.
    "LC_ALL": "C",
    # Git Credential Manager and git itself would ask at a terminal, and a deployment would wait for somebody who has gone home.
    "GIT_TERMINAL_PROMPT": "0",
    "GCM_INTERACTIVE": "never",
}
_CREDENTIALS = re.compile(r"(?<=://)[^/\s'\"]+@")


class GitMissingError(DeliveryError):
    """There is no git on PATH."""


class GitError(DeliveryError):
    """git refused; the text is what it said."""


@dataclass(frozen=True)
class Answer:
    """What git answered.

    Attributes:
        errors: what it wrote to standard error, without credentials of URLs.
    """

    code: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        """The output as text, without spaces around it."""
        return self.output.decode(errors="replace").strip()


@dataclass(frozen=True)
class Git:
    """git in a folder.

    Attributes:
        settings: `name=value`, which go before the configuration of user and repository.
    """

    folder: Path
    settings: tuple[str, ...] = ()

    def run(self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None, seconds: float | None = None) -> Answer:
        """What git answers, whatever that is; with the code NO_ANSWER when it took longer than these seconds.

        Raises:
            GitMissingError: git is not installed.
        """
        settings = [part for setting in self.settings for part in ("-c", setting)]
        try:
            process = subprocess.Popen(
                ["git", *settings, *arguments],
                cwd=self.folder,
                env={**os.environ, **_ENVIRONMENT, **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # Without a terminal ssh does not ask for a passphrase or about a host, and what git has started can be ended with it.
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise GitMissingError("git is not installed; install it") from error
        try:
            output, errors = process.communicate(stdin, timeout=seconds)
        except subprocess.TimeoutExpired:
            return Answer(NO_ANSWER, b"", f"fatal: no answer within {seconds:g} s")
        finally:
            _end(process)
        return Answer(process.returncode, output, without_credentials(errors.decode(errors="replace")))

    def ask(self, *arguments: str) -> str | None:
        """What git answers; None when it refuses."""
        answer = self.run(*arguments)
        return None if answer.code else answer.text

    def tell(self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> str:
        """What git answers; raises GitError when it refuses."""
        answer = self.run(*arguments, stdin=stdin, environment=environment)
        if answer.code:
            raise GitError(f"git {arguments[0]}: {' '.join(answer.errors.split()) or f'exit code {answer.code}'}")
        return answer.text


def without_credentials(text: str) -> str:
    """The text with what stands before the host of a URL masked: a remote's URL may hold a token."""
    return _CREDENTIALS.sub("***@", text)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends git and its helpers, when the wait for it ended before it did."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
