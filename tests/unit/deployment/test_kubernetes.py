"""The Kubernetes manifests: valid by schema, and the same containers as docker-compose.yml starts."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[3]
MANIFESTS = ROOT / "deploy" / "kubernetes"
FILES = sorted(path for path in MANIFESTS.glob("*.yaml") if path.name != "kustomization.yaml")

# What differs on purpose: pods of different nodes share no folder, so payloads go through Redis alone.
# A user's functions come with an image of their own.
NOT_ON_KUBERNETES = {"BREAKEVEN_PAYLOAD_DIR", "BREAKEVEN_FUNCTIONS", "BREAKEVEN_FUNCTION_PATH"}
SHARED_FOLDERS = {"/payloads", "/jobs"}
# Folders that Compose declares elsewhere (tmpfs, shm_size), or that a secret fills file by file.
PRIVATE_FOLDERS = {"/tmp", "/data", "/dev/shm", "/flower/password"}  # noqa: S108 - a container's own
PASSED_ON_IF_SET = re.compile(r"BREAKEVEN_(ALLOWED|DOWNLOAD|CONNECT|READ|TASK|VISIBILITY)_\w+")


def documents() -> list[dict[str, Any]]:
    return [each for path in FILES for each in yaml.safe_load_all(path.read_text()) if each]


def pods() -> dict[str, dict[str, Any]]:
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in documents()
        if each["kind"] in ("Deployment", "Job")
    }


def containers() -> dict[str, dict[str, Any]]:
    return {name: pod["containers"][0] for name, pod in pods().items()}


def compose() -> dict[str, dict[str, Any]]:
    """The services of docker-compose.yml with its own defaults, `worker` joined with the file it extends."""
    text = (ROOT / "docker-compose.yml").read_text()
    services: dict[str, dict[str, Any]] = yaml.safe_load(_with_defaults(text))["services"]
    base = yaml.safe_load(_with_defaults((ROOT / "docker" / "worker.yml").read_text()))["services"]["worker"]
    worker = {**base, **services["worker"]}
    worker["environment"] = {**base["environment"], **services["worker"]["environment"]}
    return {**services, "worker": worker}


def _with_defaults(text: str) -> str:
    return re.sub(r"\$\{\w+(?::-([^}]*))?\}", lambda match: match[1] or "", text).replace("$$", "$")


COMPARED = ("redis", "origin", "worker", "flower", "orchestrator")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_manifest_is_valid_by_the_schema_of_kubernetes(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, "1.34", strict=True)


def test_the_kustomization_lists_every_manifest() -> None:
    kustomization = yaml.safe_load((MANIFESTS / "kustomization.yaml").read_text())
    assert sorted(kustomization["resources"]) == [path.name for path in FILES]


def test_every_service_of_the_compose_file_has_a_pod() -> None:
    assert set(pods()) == set(COMPARED) == set(compose()) - {"setup", "report"}


@pytest.mark.parametrize("name", COMPARED)
def test_a_container_runs_the_command_of_its_compose_service(name: str) -> None:
    container, service = containers()[name], compose()[name]
    wanted = service["command"].split() if isinstance(service["command"], str) else service["command"]
    given = container.get("command", []) + container["args"]
    assert [part.strip() for part in given] == [
        part.strip() for part in [*service.get("entrypoint", []), *wanted]
    ]


@pytest.mark.parametrize("name", COMPARED)
def test_a_container_has_the_environment_of_its_compose_service(name: str) -> None:
    given = {each["name"]: each["value"] for each in containers()[name].get("env", [])}
    wanted = {
        key: value
        for key, value in (compose()[name].get("environment") or {}).items()
        if key not in NOT_ON_KUBERNETES and not (value is None and PASSED_ON_IF_SET.fullmatch(key))
    }
    assert given == {key: _as_text(value) for key, value in wanted.items()}


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("name", COMPARED)
def test_a_container_has_the_mounts_of_its_compose_service(name: str) -> None:
    given = {
        (mount["mountPath"], mount.get("readOnly", False))
        for mount in containers()[name]["volumeMounts"]
        if mount["mountPath"] not in PRIVATE_FOLDERS
    }
    wanted = set()
    for volume in compose()[name]["volumes"]:
        _, target, *options = volume.split(":")
        if target not in SHARED_FOLDERS:
            wanted.add((target, "ro" in ",".join(options).split(",")))
    assert given == wanted


@pytest.mark.parametrize("name", COMPARED)
def test_a_pod_is_as_confined_as_its_compose_service(name: str) -> None:
    pod, container = pods()[name], containers()[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    # Kubernetes' variables for the service `flower` would be read by Flower as its own port.
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize("name", ["redis", "origin", "worker", "flower"])
def test_a_service_that_stays_up_is_probed(name: str) -> None:
    container = containers()[name]
    assert {"livenessProbe"} <= container.keys()
    assert container.keys() & {"readinessProbe", "startupProbe"}


def test_the_orchestrator_has_256_mib_of_shared_memory() -> None:
    (shm,) = (volume for volume in pods()["orchestrator"]["volumes"] if volume["name"] == "shm")
    assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": "256Mi"}
    assert compose()["orchestrator"]["shm_size"] == "256m"


def test_redis_has_the_configuration_of_the_compose_file() -> None:
    assert (MANIFESTS / "redis.conf").read_text() == (ROOT / "docker" / "redis.conf").read_text()


def test_the_secrets_are_made_once_and_kept_out_of_version_control(tmp_path: Path) -> None:
    script = tmp_path / "make-secrets"
    script.write_text((MANIFESTS / "make-secrets").read_text())
    first, second = (
        subprocess.run(["/bin/sh", str(script)], capture_output=True, text=True, check=False)
        for _ in range(2)
    )
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert (first.returncode, first.stderr, second.returncode) == (0, "", 2)
    assert made["breakeven_broker_url"] == f"redis://:{made['redis_password']}@redis:6379/0"
    assert made["redis_password"] not in made["users.acl"]
    assert "deploy/kubernetes/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
