"""`python -m local_azure.arm.models` writes the files of the models and the tables of the documentation anew."""

import sys

from local_azure.arm.models.extract import FOLDER, documents
from local_azure.arm.types import ALL


def main() -> int:
    """Writes what differs and says so."""
    made = {FOLDER / f"{namespace}.json": text for namespace, text in documents({name: kind.in_url for name, kind in ALL.items()}).items()}
    for path in FOLDER.glob("*.json"):
        if path not in made:
            path.unlink()
            print(f"removed {path.name}")
    for path, text in made.items():
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
            print(f"written {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
