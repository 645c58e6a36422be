"""`python -m local_azure.arm.models` writes the files of the models and the tables of docs/simulated-arm.md anew; `--report` prints the tables."""

import sys

from local_azure.arm.models import report
from local_azure.arm.models.extract import FOLDER, documents
from local_azure.arm.types import ALL


def main(arguments: list[str]) -> int:
    """Writes what differs and says so. Exit code 2 for arguments that are none."""
    if arguments not in ([], ["--report"]):
        print(f"error: unknown arguments {' '.join(arguments)}; allowed is --report, or nothing", file=sys.stderr)
        return 2
    if arguments:
        print("\n".join(report.tables()))
        return 0
    made = {FOLDER / f"{namespace}.json": text for namespace, text in documents({name: kind.in_url for name, kind in ALL.items()}).items()}
    for path in set(FOLDER.glob("*.json")) - made.keys():
        path.unlink()
        print(f"removed {path.name}")
    made[report.DOCUMENT] = report.document(report.DOCUMENT.read_text())
    for path, text in made.items():
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
            print(f"written {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
