"""`converge local`: Azure on one machine."""

import json
import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Table

from local_azure import engine
from local_azure.assembly import LocalAzure
from local_azure.choices import Choices
from local_azure.deployment import Deployment, Prediction
from local_azure.errors import LocalAzureError
from local_azure.progress import Progress
from local_azure.sandbox import Sandbox

app = typer.Typer(no_args_is_help=True, help="Azure on one machine: start it, deploy to it, look at it, stop it.")
_console = Console()


def _checkout() -> Path:
    """The folder with Pulumi.yaml, here or above.

    Raises:
        LocalAzureError: there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").exists():
            return folder
    raise LocalAzureError(f"no Pulumi.yaml in {here} or above it; run `converge local` in a checkout of the project")


def _azure(progress: Progress) -> LocalAzure:
    return LocalAzure(Sandbox.of(_checkout()), Choices.from_environment(), progress)


@app.command()
def up() -> None:
    """Start every service, deploy the checkout to the `local` stack and show a prediction."""
    started = time.monotonic()
    with Progress(_console) as progress:
        azure = _azure(progress)
        with azure.sandbox.lock():
            progress.say("Azure on this machine")
            azure.start()
            _write_environment_file(azure)
            progress.say("The stack `local`")
            predictions = Deployment(azure).run()
    for prediction in predictions:
        _show(prediction)
    _console.print(f"\nup after {time.monotonic() - started:.1f} s", highlight=False)


def _show(prediction: Prediction) -> None:
    model = prediction.model
    _console.print(f"\n{prediction.service}: model {model['name']} version {model['version']}, sha256 {model['sha256']}", highlight=False, soft_wrap=True)
    for output, expected in zip(prediction.outputs, prediction.expected, strict=True):
        _console.print(
            f"  {output['name']}: {_short(output['data'])}   (golden request: {_short(expected['data'])})", highlight=False, markup=False, soft_wrap=True
        )
    _console.print("  call it yourself:", highlight=False)
    body = shlex.quote(json.dumps(prediction.request))
    _console.print(f"  curl -s {prediction.url} -d {body}", highlight=False, markup=False, soft_wrap=True)


def _short(data: list[object]) -> str:
    numbers = [f"{value:.3f}" if isinstance(value, float) else str(value) for value in data]
    return ", ".join(numbers[:12]) + (", ..." if len(numbers) > 12 else "")


@app.command()
def prepare() -> None:
    """Build and fetch every program that `up` needs; start nothing. Afterwards `up` works offline."""
    with Progress(_console) as progress:
        azure = _azure(progress)
        with azure.sandbox.lock():
            azure.prepare()


@app.command()
def down() -> None:
    """Stop every service; models, images, cluster and stack state stay for the next `up`."""
    with Progress(_console) as progress:
        azure = _azure(progress)
        with azure.sandbox.lock():
            stopped = azure.stop()
    _console.print(f"stopped {len(stopped)} services; data stays in {azure.sandbox.folder}", highlight=False, soft_wrap=True)


@app.command()
def clean(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop every service and delete all data of the sandbox, the published models included. Built tools stay."""
    sandbox = Sandbox.of(_checkout())
    if not yes:
        typer.confirm(f"Delete every model, image and state in {sandbox.folder}?", abort=True)
    with Progress(_console) as progress:
        azure = _azure(progress)
        with azure.sandbox.lock():
            azure.stop()
            for made in (sandbox.checkout / f"Pulumi.{engine.STACK}.yaml", sandbox.checkout / "locks" / f"{engine.STACK}.json"):
                made.unlink(missing_ok=True)
            shutil.rmtree(sandbox.folder)
    _console.print(f"deleted {sandbox.folder}", highlight=False, soft_wrap=True)


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show which services run, with their process and log. Exit code 1 when one of them does not."""
    with Progress(_console) as progress:
        azure = _azure(progress)
    rows = [
        {"service": name, "process": process.pid if (process := azure.supervisor.process(name)) else None, "log": str(azure.sandbox.log(name))}
        for name in azure.services()
    ]
    if as_json:
        _console.print_json(json.dumps({"folder": str(azure.sandbox.folder), "services": rows}))
    else:
        table = Table("service", "process", "log", box=None)
        for row in rows:
            table.add_row(str(row["service"]), str(row["process"] or "not running"), str(row["log"]))
        _console.print(table, soft_wrap=True)
    if not all(row["process"] for row in rows):
        raise typer.Exit(1)


@app.command("env")
def environment() -> None:
    """Print the shell line that makes `pulumi`, `kubectl` and `converge model` work on the sandbox: eval "$(converge local env)"."""
    with Progress(_console) as progress:
        azure = _azure(progress)
    if not azure.sandbox.endpoints_file.exists():
        raise LocalAzureError("the sandbox does not run; start it with `converge local up`")
    # The values include a secret, so they stay in a file and only its name is printed.
    print(f". {shlex.quote(str(_write_environment_file(azure)))}")


@app.command()
def preview(stack: Annotated[str, typer.Argument(help="dev, prod or another stack with a Pulumi.<stack>.yaml.")]) -> None:
    """Preview a stack against the simulated Azure: no login, no services. It starts from nothing, as a first `up` would."""
    with Progress(_console) as progress:
        azure = _azure(progress)
        source = azure.sandbox.checkout / f"Pulumi.{stack}.yaml"
        if not source.exists():
            known = sorted(path.name.split(".")[1] for path in azure.sandbox.checkout.glob("Pulumi.*.yaml"))
            raise LocalAzureError(f"there is no {source.name}; the stacks with settings here are {', '.join(known)}")
        azure.preview_only()
    variables = {**os.environ, **azure.environment()}
    settings = _sandboxed_settings(azure, source, stack, variables)
    command = [_pulumi(azure), "preview", "--stack", stack, "--config-file", str(settings), "--non-interactive"]
    raise typer.Exit(subprocess.run(command, cwd=azure.sandbox.checkout, env=variables, check=False).returncode)


def _pulumi(azure: LocalAzure) -> str:
    return str(azure.sandbox.pulumi_home / "bin" / "pulumi")


def _sandboxed_settings(azure: LocalAzure, source: Path, stack: str, variables: dict[str, str]) -> Path:
    """A copy of the stack's settings that the engine may write its encryption salt into, so that the committed file stays as it is."""
    folder = azure.sandbox.folder / "previews" / stack
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(azure.sandbox.checkout / "Pulumi.yaml", folder)
    target = folder / source.name
    if not target.exists():
        made = subprocess.run([_pulumi(azure), "stack", "init", stack, "--no-select"], cwd=folder, env=variables, capture_output=True, text=True, check=False)
        if made.returncode:
            raise LocalAzureError(f"the sandbox could not make the stack {stack!r}: {made.stderr.strip()}")
    salt = (yaml.safe_load(target.read_text()) or {}).get("encryptionsalt")
    wanted = {name: value for name, value in (yaml.safe_load(source.read_text()) or {}).items() if name not in ("secretsprovider", "encryptedkey")}
    target.write_text(yaml.safe_dump({"encryptionsalt": salt, **wanted}, sort_keys=False))
    return target


def _write_environment_file(azure: LocalAzure) -> Path:
    """Writes the sandbox's environment as shell text that only its owner can read."""
    variables = {**azure.environment(), "KUBECONFIG": str(azure.sandbox.kubeconfig)}
    path = azure.sandbox.folder / "environment.sh"
    path.touch(mode=0o600)
    programs = [str(azure.sandbox.pulumi_home / "bin")]
    if not azure.choices.own_services:
        programs.append(str(azure.kubernetes().programs))
    variables["PATH"] = os.pathsep.join(programs)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    path.write_text("\n".join(lines).replace(f"export PATH={shlex.quote(variables['PATH'])}", f'export PATH={shlex.quote(variables["PATH"])}:"$PATH"') + "\n")
    return path
