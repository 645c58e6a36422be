"""`converge release`: what was deployed, when and by whom."""

import json

import typer

from delivery.release.record import Record

app = typer.Typer(no_args_is_help=True, help="Releases: what every deployment brought, what ran when, and the way on or back.")


@app.command()
def schema() -> None:
    """Print the JSON schema of a release record, for programs that read the ledger."""
    print(json.dumps(Record.model_json_schema(), indent=2))
