"""Two ways in: `pulumi preview --policy-pack policies` runs this folder as a policy pack; `python -m policies --list` prints the rules."""

import sys
from pathlib import Path

if not __package__:
    # Pulumi runs the folder, not the package: Python then looks for modules inside it, where nothing of ours is to be found by its name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from policies.catalogue import RULES
from policies.pack import serve


def main(arguments: list[str]) -> None:
    """Lists the rules, or serves them to the engine whose address is given."""
    match arguments:
        case ["--list"]:
            for rule in RULES:
                print(f"{rule.id:<42} {rule.severity:<9} {rule.title}")
            print(f"{len(RULES)} rules")
        case [address] if not address.startswith("-"):
            serve()
        case _:
            sys.exit("error: allowed are --list, or the engine's address, which `pulumi preview --policy-pack policies` hands over")


if __name__ == "__main__":
    main(sys.argv[1:])
