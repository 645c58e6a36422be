"""A browser for pages that are looked at by tests: Chromium from Debian's packages, with fonts of its own, so that a page looks the same on every machine."""

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


class Chromium:
    """Chromium, unpacked into the cache."""

    def __init__(self, cache: Path) -> None:
        self._debian = DebianPrograms(cache, _PACKAGES)
        self._settings = cache / "tools" / f"{self._debian.root.name}-fonts"

    def ensure(self) -> None:
        """Fetches and unpacks it unless it is there.

        Raises:
            LocalAzureError: this is no Debian, or a package could not be fetched.
        """
        if not shutil.which("apt-get") and not self._debian.root.exists():
            raise LocalAzureError("the browser comes from Debian's packages, and this machine has no apt-get")
        self._debian.ensure()
        self._settings.mkdir(parents=True, exist_ok=True)
        aliases = "\n  ".join(_ALIAS.format(name=name, font=font) for name, font in _FAMILIES.items())
        fonts = _FONTS.format(fonts=self._debian.root / "usr" / "share" / "fonts", cache=self._settings / "cache", aliases=aliases)
        write_if_changed(self._settings / "fonts.conf", fonts)

    @property
    def program(self) -> Path:
        """The browser itself; the script of the same name in usr/bin would look for it where a package installs it."""
        return self._debian.root / "usr" / "lib" / "chromium" / "chromium"

    def environment(self) -> dict[str, str]:
        """What it needs to find its libraries and fonts, on top of the caller's."""
        libraries = self._debian.environment()["LD_LIBRARY_PATH"].split(os.pathsep)
        # Its audio library keeps a part of itself in a folder that only an installed one is found in.
        audio = [f"{path}/pulseaudio" for path in libraries]
        return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join([*libraries, *audio]), "FONTCONFIG_FILE": str(self._settings / "fonts.conf")}
