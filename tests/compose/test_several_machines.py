"""Two machines: one has broker, origin and orchestrator, the other has workers, and one network joins them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
PROJECT = [
    ".dockerignore",
    "README.md",
    "compose.tls.yml",
    "compose.workers.yml",
    "docker",
    "docker-compose.yml",
    "orchestrator",
    "pyproject.toml",
    "requirements",
    "worker",
]
ADMINISTRATOR = "administrator"

# What a cable and a name server do between real machines. Nothing is published to the host.
JOINED_BROKER = """
services:
  redis:
    ports: !reset []
    networks: {{default: {{}}, joint: {{aliases: [broker.test]}}}}
  origin:
    ports: !reset []
    networks: {{default: {{aliases: [origin.test]}}, joint: {{aliases: [origin.test]}}}}
  orchestrator:
    environment: {{BREAKEVEN_ORIGIN_URL: "http://origin.test:8000"}}
networks:
  joint: {{external: true, name: {joint}}}
"""
JOINED_WORKERS = """
services:
  worker:
    networks: {{default: {{}}, joint: {{}}}}
networks:
  joint: {{external: true, name: {joint}}}
"""
CELERY = ["--strategy", "serial", "--strategy", "celery", "--slots", "2", "--stage", "pipeline"]
SMALL = ["--images", "4", "--size", "64x48", "--rounds", "2", "--warmup", "0", *CELERY]


@dataclass(frozen=True)
class Machine:
    """A copy of the project in a folder of its own, and the Compose project that runs from it."""

    folder: Path
    project: str
    files: tuple[str, ...]

    def compose(self, *arguments: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        files = [part for name in self.files for part in ("-f", name)]
        return run(
            "docker", "compose", "-p", self.project, *files, *arguments, cwd=self.folder, timeout_s=timeout_s
        )

    def must(self, *arguments: str) -> str:
        done = self.compose(*arguments)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


def run(
    *command: str, cwd: Path, timeout_s: float = 300, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BREAKEVEN_")}
    environment |= {"BREAKEVEN_NAME": "broker.test", **variables}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def copied(folder: Path) -> Path:
    for name in PROJECT:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return folder


@dataclass(frozen=True)
class Machines:
    broker: Machine
    workers: Machine


@pytest.fixture(scope="module")
def machines(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    tag = secrets.token_hex(4)
    joint = f"joint-{tag}"
    here = copied(tmp_path_factory.mktemp("broker") / "breakeven")
    there = copied(tmp_path_factory.mktemp("workers") / "breakeven")
    assert run("docker/redis/make-secrets", "broker.test", cwd=here).returncode == 0
    with (here / "secrets" / "broker" / "users.acl").open("a") as acl:
        acl.write(f"user {ADMINISTRATOR} on >{ADMINISTRATOR} ~* &* +@all\n")
    (there / "secrets").mkdir(mode=0o700)
    shutil.copytree(here / "secrets" / "workers", there / "secrets" / "workers")
    (there / "secrets" / "workers" / "workers.env").write_text(
        "BREAKEVEN_ALLOWED_ORIGINS=http://origin.test:8000\n"
    )
    (here / "joined.yml").write_text(JOINED_BROKER.format(joint=joint))
    (there / "joined.yml").write_text(JOINED_WORKERS.format(joint=joint))
    broker = Machine(here, f"broker-{tag}", ("docker-compose.yml", "compose.tls.yml", "joined.yml"))
    workers = Machine(there, f"workers-{tag}", ("compose.workers.yml", "joined.yml"))
    try:
        assert run("docker", "network", "create", joint, cwd=here).returncode == 0
        broker.must("up", "--build", "--detach", "redis", "origin")
        broker.must("build", "orchestrator")
        workers.must("up", "--build", "--detach", "--scale", "worker=2")
        wait_for_workers(broker, 2)
        yield Machines(broker, workers)
    finally:
        workers.compose("down", "--volumes", "--rmi", "local", "--remove-orphans")
        broker.compose("down", "--volumes", "--rmi", "local", "--remove-orphans")
        run("docker", "image", "rm", "--force", f"{broker.project}-orchestrator", cwd=here)
        run("docker", "network", "rm", joint, cwd=here)


def wait_for_workers(broker: Machine, count: int, within_s: float = 120) -> None:
    deadline = time.monotonic() + within_s
    while (said := doctor(broker)).count("ok      worker ") < count:
        assert time.monotonic() < deadline, said


def doctor(broker: Machine) -> str:
    done = broker.compose("run", "--rm", "orchestrator", "doctor")
    return done.stdout + done.stderr


def administrate(broker: Machine, *command: str) -> str:
    files = ["--cacert", "/tls/ca.crt", "--cert", "/tls/client.crt", "--key", "/tls/client.key"]
    login = ["--user", ADMINISTRATOR, "--pass", ADMINISTRATOR, "--no-auth-warning"]
    return broker.must("exec", "-T", "redis", "redis-cli", "--tls", *files, *login, "-p", "6380", *command)


def test_doctor_shows_the_other_machine_s_workers_with_their_clocks(machines: Machines):
    said = doctor(machines.broker)
    lines = [line for line in said.splitlines() if line.startswith("ok      worker ")]
    assert len(lines) == 2
    assert all("clock +" in line and " s within 0.0" in line for line in lines)
    assert "ok      broker: redis 8" in said
    assert "rediss://***@redis:6380/0, never evicts" in said
    assert "ok      payloads: every worker finds what is put into the payload store" in said


def test_a_run_on_the_other_machine_s_workers_ends_verified_with_nothing_denied(machines: Machines):
    administrate(machines.broker, "ACL", "LOG", "RESET")
    done = machines.broker.compose("run", "--rm", "orchestrator", "run", *SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (machines.broker.folder / "results").glob("*.json")
    text = path.read_text()
    result = json.loads(text)
    assert all(cell["verified"] for cell in result["cells"])
    assert {cell["strategy"] for cell in result["cells"]} == {"serial", "celery"}
    workers = result["environment"]["workers"]
    assert len(workers) == 2
    assert all(worker["clock_bound_s"] is not None for worker in workers)
    assert administrate(machines.broker, "ACL", "LOG").strip() == ""
    folder = machines.broker.folder / "secrets" / "urls"
    passwords = [path.read_text().split(":")[2].split("@")[0] for path in folder.glob("*/*")]
    logs = machines.broker.must("logs") + machines.workers.must("logs")
    assert [password for password in passwords if password in text + logs + done.stdout + done.stderr] == []


def test_the_machines_share_one_network_and_nothing_else(machines: Machines):
    def networks(machine: Machine) -> set[str]:
        ids = machine.must("ps", "--quiet").split()
        names = run("docker", "inspect", "--format", "{{json .NetworkSettings.Networks}}", *ids, cwd=ROOT)
        return {name for line in names.stdout.splitlines() for name in json.loads(line)}

    shared = networks(machines.broker) & networks(machines.workers)
    assert len(shared) == 1
    assert next(iter(shared)).startswith("joint-")
    assert machines.broker.must("ps", "--quiet", "worker").split() == []


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("ca.crt", None, "signed by an authority that is not trusted here"),
        ("broker_url", "rediss://worker:guessed@broker.test:6380/0", "it rejected the password"),
    ],
    ids=["another authority", "wrong password"],
)
def test_a_worker_that_is_turned_away_says_why_and_ends_with_3(
    machines: Machines, tmp_path: Path, file: str, content: str | None, why: str
):
    here = machines.workers.folder / "secrets" / "workers" / file
    kept = here.read_text()
    if content is None:
        others = run(
            "docker/redis/make-secrets", "x", cwd=machines.broker.folder, SECRETS=str(tmp_path / "other")
        )
        assert others.returncode == 0, others.stderr
        content = (tmp_path / "other" / "clients" / "ca.crt").read_text()
    try:
        here.write_text(content)
        done = machines.workers.compose("run", "--rm", "worker")
    finally:
        here.write_text(kept)
    assert done.returncode == 3, done.stdout + done.stderr
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("breakeven:")]
    assert len(lines) == 1
    assert lines[0].startswith("breakeven: the broker rediss://***@broker.test:6380/0 denied access:")
    assert why in lines[0]
    assert "Traceback" not in done.stdout + done.stderr


def test_containers_of_workers_run_as_nobody_in_particular_with_no_rights(machines: Machines):
    (one, _) = machines.workers.must("ps", "--quiet").split()
    inspected = json.loads(run("docker", "inspect", one, cwd=ROOT).stdout)[0]
    assert inspected["Config"]["User"] not in ("", "0", "root")
    assert inspected["HostConfig"]["CapDrop"] == ["ALL"]
    assert inspected["HostConfig"]["ReadonlyRootfs"] is True
    assert inspected["HostConfig"]["PortBindings"] == {}
    assert "rediss://" not in json.dumps(inspected)  # docker inspect shows no password


def test_workers_beside_the_broker_serve_as_well_however_often_it_is_set_up_again(machines: Machines):
    """`up` runs the service `setup` each time, which renews the secrets that are not used here."""
    try:
        machines.broker.must("up", "--build", "--detach", "--scale", "worker=2", "worker")
        wait_for_workers(machines.broker, 4)
        machines.broker.must("up", "--detach", "--force-recreate", "setup")
        held = machines.broker.must("exec", "-T", "worker", "cat", "/run/secrets/breakeven_broker_url")
        assert held.startswith("rediss://worker:")
        wait_for_workers(machines.broker, 4)
    finally:
        machines.broker.compose("rm", "--stop", "--force", "worker")
