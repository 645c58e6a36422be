"""An image with a layer of packages and a model, as bytes."""

import io
import tarfile
from collections.abc import Mapping

from tests.unit.delivery.registry.oci_images import OciImage, image

FILES = {
    "srv/venv/lib/python3.11/site-packages/numpy-2.4.6.dist-info/METADATA": "Name: NumPy\nVersion: 2.4.6\nLicense-Expression: BSD-3-Clause\n\ntext\n",
    "srv/venv/lib/python3.11/site-packages/numpy/core.py": "Name: no package\n",
    "var/lib/dpkg/status.d/libc6": "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u13\n",
    "var/lib/dpkg/status.d/libc6.md5sums": "0 x\n",
    "srv/model/manifest.json": '{"model": "digits", "version": 3, "files": {"model.onnx": {"sha256": "%s"}}}' % ("a" * 64),
}


def layer(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


def packed_image(app: str = "app") -> OciImage:
    return image(layer(FILES), layer({"srv/app/hooks.py": app}))
