"""The pipeline files as their forges read them: jobs with their steps, templates filled in."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
GITHUB = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
AZURE = [ROOT / "azure-pipelines.yml", *sorted((ROOT / "azure-pipelines").glob("*.yml"))]
SCRIPTS = sorted(path for path in (ROOT / ".ci").iterdir() if path.is_file())
_PARAMETER = re.compile(r"\$\{\{ parameters\.(\w+) \}\}")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a job.

    Attributes:
        where: file, job and name, for messages.
        script: what bash runs; empty for an action or a task.
        uses: the action or task; empty for a script.
        raw: all of it.
    """

    where: str
    script: str
    uses: str
    raw: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job; of a stage's with the stage in its name."""

    file: str
    name: str
    steps: list[Step]
    raw: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.file}, {self.name}"


def workflow(path: Path) -> dict[str, Any]:
    """A workflow of GitHub; its `on` stays a text instead of a truth."""
    return yaml.load(path.read_text(), Loader=_Yaml12)


def github_jobs() -> list[Job]:
    """Every job of every workflow."""
    return [_github_job(path.name, name, job) for path in GITHUB for name, job in workflow(path)["jobs"].items()]


def _github_job(file: str, name: str, job: dict[str, Any]) -> Job:
    steps = [
        Step(
            where=f"{file}, {name}, {step.get('name', step.get('uses'))}",
            script=step.get("run", ""),
            uses=step.get("uses", ""),
            raw=step,
        )
        for step in job["steps"]
    ]
    return Job(file=file, name=name, steps=steps, raw=job, environment=job.get("env", {}))


def azure_pipeline(path: Path) -> dict[str, Any]:
    """A pipeline of Azure Pipelines with its parameters' defaults, and the templates that it names, filled in."""
    document = yaml.safe_load(path.read_text())
    return _filled(document, {parameter["name"]: parameter["default"] for parameter in document.pop("parameters", [])}, path)


def azure_pipelines() -> list[Path]:
    """The files that are pipelines, not templates."""
    return [path for path in AZURE if "trigger" in yaml.safe_load(path.read_text())]


def azure_jobs() -> list[Job]:
    """Every job of every pipeline, the deployment jobs' steps included."""
    return [_azure_job(path.name, stage, job) for path in azure_pipelines() for stage, job in _all_jobs(azure_pipeline(path))]


def azure_stages() -> list[dict[str, Any]]:
    """The stages of the main pipeline."""
    return azure_pipeline(AZURE[0])["stages"]


def _all_jobs(pipeline: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each with the name of its stage."""
    yield from (("", job) for job in pipeline.get("jobs", []))
    for stage in pipeline.get("stages", []):
        yield from ((stage["stage"], job) for job in stage["jobs"])


def _azure_job(file: str, stage: str, job: dict[str, Any]) -> Job:
    name = "_".join(filter(None, (stage, job.get("job") or job["deployment"])))
    steps = job["steps"] if "steps" in job else job["strategy"]["runOnce"]["deploy"]["steps"]
    return Job(file=file, name=name, steps=[_azure_step(f"{file}, {name}", step) for step in steps], raw=job)


def _azure_step(where: str, step: dict[str, Any]) -> Step:
    task = next((step[kind] for kind in ("task", "publish", "download", "checkout") if kind in step), "")
    inline = step.get("inputs", {}).get("inlineScript", "")
    return Step(where=f"{where}, {step.get('displayName', task)}", script=step.get("bash", inline), uses=str(task), raw=step)


def _filled(value: Any, parameters: Mapping[str, Any], path: Path) -> Any:
    if isinstance(value, list):
        return [made for item in value for made in _filled_item(item, parameters, path)]
    if isinstance(value, dict):
        return {key: _filled(item, parameters, path) for key, item in value.items()}
    if isinstance(value, str):
        whole = _PARAMETER.fullmatch(value)
        # A value that is nothing but a parameter keeps its type.
        return parameters[whole[1]] if whole else _PARAMETER.sub(lambda found: str(parameters[found[1]]), value)
    return value


def _filled_item(item: Any, parameters: Mapping[str, Any], path: Path) -> Iterator[Any]:
    if not (isinstance(item, dict) and "template" in item):
        yield _filled(item, parameters, path)
        return
    template = path.parent / item["template"]
    document = yaml.safe_load(template.read_text())
    given = _filled(item.get("parameters", {}), parameters, path)
    declared = {parameter["name"]: parameter for parameter in document.pop("parameters", [])}
    unknown = given.keys() - declared.keys()
    missing = {name for name, parameter in declared.items() if "default" not in parameter} - given.keys()
    assert not unknown, f"{path.name} gives {item['template']} {sorted(unknown)}, which it does not take"
    assert not missing, f"{path.name} does not give {item['template']} {sorted(missing)}"
    values = {name: given.get(name, parameter.get("default")) for name, parameter in declared.items()}
    (content,) = document.values()
    yield from _filled(content, values, template)


class _Yaml12(yaml.SafeLoader):
    """YAML 1.2 has no truth called `on`, and GitHub reads that."""


_Yaml12.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))
