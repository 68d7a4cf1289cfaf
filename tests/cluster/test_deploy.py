"""The files in deploy/: they parse, and name roles, commands and settings that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tolva.plan import Role

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
COMMANDS = (Path(__file__).parents[2] / "src/tolva/cli/app.py").read_text()


def resources() -> list[dict[str, Any]]:
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    return [each for name in kustomization["resources"] for each in yaml.safe_load_all((KUBERNETES / name).read_text())]


def deployments() -> list[dict[str, Any]]:
    return [each for each in resources() if each["kind"] == "Deployment"]


def test_every_file_is_named_in_the_kustomization() -> None:
    named = set(yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"])

    assert named == {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert all({"apiVersion", "kind", "metadata"} <= each.keys() for each in resources())


def test_kustomize_makes_these_resources_of_the_files() -> None:
    if not (kubectl := shutil.which("kubectl")):
        pytest.skip("NOT TESTED: kubectl is not installed, which needs no cluster for this")
    words = [kubectl, "kustomize", str(KUBERNETES)]
    built = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout
    made = list(yaml.safe_load_all(built))

    assert {_name(each) for each in made} == {_name(each) for each in resources()}
    assert {each["metadata"]["namespace"] for each in made if each["kind"] != "Namespace"} == {"tolva"}


def _name(resource: dict[str, Any]) -> tuple[str, str]:
    return resource["kind"], resource["metadata"]["name"]


def test_there_is_a_deployment_and_a_scaler_for_each_role() -> None:
    names = {each["metadata"]["name"] for each in deployments()}
    scalers = [each for each in resources() if each["kind"] == "ScaledObject"]

    assert names == {"gateway", *Role}
    assert {each["spec"]["scaleTargetRef"]["name"] for each in scalers} == set(Role)
    for each in scalers:
        (trigger,) = each["spec"]["triggers"]
        assert trigger["metadata"]["queueName"] == f"tolva-{each['metadata']['name']}"
        assert (trigger["metadata"]["protocol"], each["spec"]["minReplicaCount"]) == ("http", 0)


@pytest.mark.parametrize("deployment", deployments(), ids=lambda each: each["metadata"]["name"])
def test_pods_are_locked_down_and_stop_with_grace(deployment: dict[str, Any]) -> None:
    pod = deployment["spec"]["template"]["spec"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]

    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in pod["containers"] + pod.get("initContainers", []):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["resources"]["limits"]["memory"]
        assert f'"{container["args"][0]}"' in COMMANDS
        words = container["args"]
        if "--grace-seconds" in words:
            assert int(words[words.index("--grace-seconds") + 1]) + 20 < pod["terminationGracePeriodSeconds"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted <= {volume["name"] for volume in pod["volumes"]}


def test_compose_starts_what_there_is() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    own = [each for each in compose["services"].values() if each["image"].startswith("tolva")]

    assert {each["command"][0] for each in own} == {"migrate", "serve", "worker"}
    taken = ",".join(each["command"][2] for each in own if each["command"][0] == "worker")
    assert set(taken.split(",")) == set(Role)
    options = (Path(__file__).parents[2] / "src/tolva/cli/options.py").read_text()
    named = [name for name in own[0]["environment"] if name.startswith("TOLVA_")]
    assert all(name in options for name in named)


def test_the_image_copies_what_is_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \./?\S*$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)

    assert copied
    assert all((DEPLOY.parent / name).exists() for line in copied for name in line.split())
