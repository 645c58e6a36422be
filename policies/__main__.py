"""Two ways in: `pulumi preview --policy-pack policies` runs this folder as a policy pack; `python -m policies --list` prints the rules."""

import sys
from pathlib import Path

if not __package__:
    # Pulumi runs the folder, not the package: Python then looks for modules inside it, where nothing of ours is to be found by its name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from policies.catalogue import RULES


def main(arguments: list[str]) -> None:
    """Lists the rules, or serves them to the engine whose address is given."""
    match arguments:
        case ["--list"]:
            for rule in RULES:
                print(f"{rule.id:<42} {rule.severity:<9} {rule.title}")
            print(f"{len(RULES)} rules")
        case [engine] if not engine.startswith("-"):
            # Here, since Pulumi's SDK takes longer to load than the list to print.
            from policies.pack import serve  # noqa: PLC0415

            serve(engine)
        case _:
            sys.exit("error: allowed are --list, or the engine's address, which `pulumi preview --policy-pack policies` hands over")


if __name__ == "__main__":
    main(sys.argv[1:])
