"""Programs of the machine."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from delivery.doctor.findings import Status
from delivery.doctor.versions import Machine

_PACKAGES = {"pulumi": "3.272.0", "pulumi-azure-native": "3.29.0", "pulumi-kubernetes": "4.25.0", "pulumi-docker-build": "0.0.22"}
_ANSWERS = {
    "pulumi version": "v3.272.0\n",
    "pulumi plugin ls --json": json.dumps(
        [{"name": "azure-native", "version": "3.29.0"}, {"name": "kubernetes", "version": "4.25.0"}, {"name": "docker-build", "version": "0.0.22"}]
    ),
    "kubelogin --version": "kubelogin version \ngit hash: v0.2.12/abc\n",
    "docker buildx inspect": "Name:          converge\nDriver:        docker-container\n",
}


def machine(
    answers: Mapping[str, str] | None = None, *, without: Sequence[str] = (), python: tuple[int, ...] = (3, 11, 7), method: str = "azurecli"
) -> Machine:
    said = {**_ANSWERS, **(answers or {})}
    return Machine(
        which=lambda name: None if name in without else f"/usr/bin/{name}",
        call=lambda command: said.get(" ".join(command), ""),
        python=python,
        packages=_PACKAGES.__getitem__,
        variables={"AAD_LOGIN_METHOD": method},
    )


def found(tested: Machine, check: str):
    (one,) = (one for one in tested.check() if one.check == check)
    return one


def test_all_is_well():
    assert {one.status for one in machine().check()} == {Status.OK}
    assert found(machine(), "image builder").message == "converge, driver docker-container"
    assert found(machine(), "kubelogin").message == "0.2.12, logs in by azurecli"


@pytest.mark.parametrize(
    ("tested", "check", "status", "command"),
    [
        (machine(without=["pulumi"]), "Pulumi", Status.FAILURE, "install version 3.272.0 or newer: https://www.pulumi.com/docs/install"),
        (machine({"pulumi version": "v3.100.1"}), "Pulumi", Status.FAILURE, "https://www.pulumi.com/docs/install"),
        (machine({"pulumi version": "v4.0.0"}), "Pulumi", Status.FAILURE, "https://www.pulumi.com/docs/install"),
        (machine({"pulumi version": ""}), "Pulumi", Status.FAILURE, "install it anew: https://www.pulumi.com/docs/install"),
        (machine({"pulumi version": "v3.280.0"}), "Pulumi", Status.OK, ""),
        (machine({"pulumi plugin ls --json": "[]"}), "Pulumi plugins", Status.WARNING, "pulumi plugin install resource azure-native 3.29.0 && "),
        (machine({"pulumi plugin ls --json": "no json"}), "Pulumi plugins", Status.WARNING, "pulumi plugin install resource azure-native 3.29.0 && "),
        (machine(without=["kubelogin"]), "kubelogin", Status.FAILURE, "az aks install-cli"),
        (machine({"kubelogin --version": "v0.0.34"}), "kubelogin", Status.FAILURE, "az aks install-cli"),
        (machine(method=""), "kubelogin", Status.FAILURE, "export AAD_LOGIN_METHOD=azurecli"),
        (machine(method="interactive"), "kubelogin", Status.FAILURE, "export AAD_LOGIN_METHOD=azurecli"),
        (machine(without=["docker"]), "image builder", Status.FAILURE, "install Docker, or run where it is; then: docker buildx create --use"),
        (machine({"docker buildx inspect": ""}), "image builder", Status.FAILURE, "docker info; then: docker buildx create --use --driver docker-container"),
        (machine({"docker buildx inspect": "Name: default\nDriver: docker\n"}), "image builder", Status.FAILURE, "docker buildx create --use"),
        (machine(without=["kubectl"]), "kubectl", Status.WARNING, "az aks install-cli"),
        (machine(python=(3, 10, 2)), "Python", Status.FAILURE, "make PYTHON=python3.11"),
    ],
)
def test_what_is_missing_or_old_is_told_with_the_command(tested: Machine, check: str, status: Status, command: str):
    one = found(tested, check)
    assert one.status is status
    assert one.command.startswith(command)


def test_a_program_that_fails_hangs_or_is_none_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("delivery.doctor.versions._SECONDS", 0.5)
    real = Machine()
    for name, body in {"fails": "exit 3", "hangs": "exec sleep 30", "works": "echo 1.2.3"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    assert real.call([str(tmp_path / "fails")]) == ""
    assert real.call([str(tmp_path / "hangs")]) == ""
    assert real.call([str(tmp_path / "nothing")]) == ""
    assert real.call([str(tmp_path / "works")]) == "1.2.3\n"
