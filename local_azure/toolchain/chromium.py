"""A browser for pages that are looked at by tests: Chromium from Debian's packages, with fonts of its own, so that a page looks the same everywhere."""

import os
import shutil
from pathlib import Path

from local_azure.errors import LocalAzureError
from local_azure.processes import write_if_changed
from local_azure.toolchain.debian import DebianPrograms

_PACKAGES = ("chromium", "fonts-dejavu-core", "fonts-inter", "fonts-jetbrains-mono")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--font-render-hinting=none",
)
"""Nothing of its own over the network; no sandbox, since root has none; glyphs that no setting of the machine shifts."""
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{fonts}</dir>
  <cachedir>{cache}</cachedir>
  {aliases}
</fontconfig>
"""
_ALIAS = "<alias binding='same'><family>{name}</family><prefer><family>{font}</family><family>DejaVu Sans</family></prefer></alias>"
_FAMILIES = {"system-ui": "Inter", "sans-serif": "Inter", "ui-monospace": "JetBrains Mono", "monospace": "JetBrains Mono"}


_INSTALLED = ("chromium", "google-chrome", "google-chrome-stable")
"""Names by which a browser is looked for where Debian's package is not to be had: Ubuntu has it as a snap only."""


class Chromium:
    """Chromium, on Debian unpacked into the cache, elsewhere the one that the machine has."""

    def __init__(self, cache: Path) -> None:
        self._debian = DebianPrograms(cache, _PACKAGES)
        self._settings = cache / "tools" / f"{self._debian.root.name}-fonts"
        self._installed = None if _is_debian() else next((path for name in _INSTALLED if (path := shutil.which(name))), None)

    def ensure(self) -> None:
        """Fetches and unpacks it unless it is there.

        Raises:
            LocalAzureError: there is none, or a package could not be fetched.
        """
        if self._installed:
            return
        if not _is_debian():
            raise LocalAzureError(f"no browser: this is no Debian, and none of {', '.join(_INSTALLED)} is on PATH; install one of them")
        self._debian.ensure()
        self._settings.mkdir(parents=True, exist_ok=True)
        aliases = "\n  ".join(_ALIAS.format(name=name, font=font) for name, font in _FAMILIES.items())
        fonts = _FONTS.format(fonts=self._debian.root / "usr" / "share" / "fonts", cache=self._settings / "cache", aliases=aliases)
        write_if_changed(self._settings / "fonts.conf", fonts)

    @property
    def program(self) -> Path:
        """The browser itself; the package's script in usr/bin would look for it where a package is installed."""
        return Path(self._installed) if self._installed else self._debian.root / "usr" / "lib" / "chromium" / "chromium"

    def environment(self) -> dict[str, str]:
        """What it needs to find its libraries and fonts, the caller's included."""
        if self._installed:
            return {**os.environ}
        libraries = self._debian.environment()["LD_LIBRARY_PATH"].split(os.pathsep)
        # Its audio library keeps a part of itself in a folder that only an installed one is found in.
        audio = [f"{path}/pulseaudio" for path in libraries]
        return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join([*libraries, *audio]), "FONTCONFIG_FILE": str(self._settings / "fonts.conf")}


def _is_debian() -> bool:
    release = Path("/etc/os-release")
    return release.exists() and "ID=debian" in release.read_text().splitlines()
