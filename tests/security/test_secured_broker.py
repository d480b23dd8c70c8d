"""A broker with TLS and a user for each role: everything works over it, and nothing else is let through."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator

import pytest
import redis
import requests

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import start_broker
from orchestrator.fleet.external import external_fleet
from orchestrator.fleet.flower import start_flower
from orchestrator.strategies.celery import Celery, IdiomaticCelery
from tests.security.secured import (
    ROOT,
    Secured,
    orchestrator,
    secured_broker,
    start_worker,
)
from tests.waiting import until
from worker.contract import Task
from worker.payloads.redis import connect

ROLES = ["orchestrator", "worker", "flower", "payloads"]
SMALL = ["--images", "3", "--size", "32x24", "--rounds", "1", "--warmup", "0", "--latency-ms", "0"]
CELERY = ["--strategy", "serial", "--strategy", "celery", "--slots", "2"]
EVERY_WAY = ["--transport", "redis", "--transport", "inline", "--data", "local", "--data", "resident"]


@pytest.fixture(scope="module")
def machine() -> Iterator[ChildProcesses]:
    with ChildProcesses() as processes:
        yield processes


@pytest.fixture(scope="module")
def secured(machine: ChildProcesses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_broker(machine, tmp_path_factory.mktemp("secured")) as secured:
        yield secured


@pytest.fixture(scope="module")
def workers(machine: ChildProcesses, secured: Secured) -> Iterator[list[str]]:
    names = ["near", "far"]
    for name in names:
        start_worker(machine, name, BREAKEVEN_BROKER_URL=secured.url("worker"), **secured.environment)
    yield names
    for name in names:
        machine.stop(name)


def test_a_run_over_tls_ends_verified_with_nothing_denied_and_no_password_shown(
    tmp_path, machine: ChildProcesses, secured: Secured, workers: list[str]
):
    broker = ["--broker", secured.url("orchestrator")]
    checked = orchestrator("doctor", *broker, cwd=tmp_path, **secured.environment)
    done = orchestrator("run", *SMALL, *CELERY, *EVERY_WAY, *broker, cwd=tmp_path, **secured.environment)
    assert (checked.returncode, done.returncode) == (0, 0), checked.stdout + done.stderr
    (result,) = (tmp_path / "results").glob("*.json")
    cells = [cell for cell in json.loads(result.read_text())["cells"] if cell["strategy"] == "celery"]
    assert {(cell["transport"], cell["data"]) for cell in cells} == {
        ("redis", "local"),
        ("redis", "resident"),
        ("inline", "local"),
    }
    assert all(cell["verified"] for cell in cells)
    assert secured.denied() == []
    written = [path.read_text(errors="replace") for path in (tmp_path / "results").iterdir()]
    logs = [machine.log(name, lines=10_000) for name in workers]
    told = "\n".join([checked.stdout, checked.stderr, done.stdout, done.stderr, *written, *logs])
    assert [role for role in ROLES if secured.password(role) in told] == []
    assert "rediss://***@localhost" in checked.stdout


def test_dead_slots_and_tasks_given_up_need_no_other_rights(secured: Secured, workers: list[str]):
    with (
        external_fleet(secured.settings("orchestrator")) as fleet,
        Celery(2, fleet, "redis", 1, "local") as strategy,
    ):
        tasks = [Task(0, "diagnostics", "die", "x"), Task(1, "diagnostics", "noop", "x")]
        strategy.prepare(tasks)
        assert sorted(outcome.failure is None for outcome in strategy.run(tasks)) == [False, True]
        given_up = strategy.run([Task(number, "diagnostics", "sleep", "0.2") for number in range(6)])
        next(given_up)
        given_up.close()
    assert secured.denied() == []


def test_delay_and_get_need_no_other_rights(secured: Secured, workers: list[str]):
    with (
        external_fleet(secured.settings("orchestrator")) as fleet,
        IdiomaticCelery(2, fleet, "inline", 1, "local") as strategy,
    ):
        tasks = [Task(number, "diagnostics", "noop", "x") for number in range(4)]
        strategy.prepare(tasks)
        assert [outcome.status for outcome in strategy.run(tasks)] == ["ok"] * 4
    assert secured.denied() == []


def test_a_worker_puts_back_what_a_dead_one_held(machine: ChildProcesses, secured: Secured):
    """The rest of the rights: only used when the visibility timeout has passed."""
    with secured.administrator() as client:
        client.hset("unacked", "tag-of-the-dead", json.dumps([{}, "breakeven", "breakeven"]))
        client.zadd("unacked_index", {"tag-of-the-dead": 1})
        start_worker(machine, "heir", BREAKEVEN_BROKER_URL=secured.url("worker"), **secured.environment)
        until(lambda: client.hlen("unacked") == 0, f"the task is put back: {machine.log('heir')}")
    machine.stop("heir")
    assert secured.denied() == []


FORBIDDEN = {
    "everybody's data": ["FLUSHALL"],
    "configuration": ["CONFIG", "GET", "requirepass"],
    "other users": ["ACL", "LIST"],
    "its own rights": ["ACL", "SETUSER", "worker", "allkeys"],
    "all keys at once": ["KEYS", "*"],
    "shutdown": ["SHUTDOWN", "NOSAVE"],
    "everybody's commands": ["MONITOR"],
    "other connections": ["CLIENT", "KILL", "TYPE", "normal"],
    "a copy of everything": ["PSYNC", "?", "-1"],
    "the disk": ["SAVE"],
    "modules": ["MODULE", "LIST"],
    "another key": ["GET", "somebody-s"],
    "writing another key": ["SET", "somebody-s", "x"],
    "another database": ["SELECT", "1"],
    "functions": ["FUNCTION", "LIST"],
    "another channel": ["PUBLISH", "somebody-s", "x"],
    "moving data elsewhere": ["MIGRATE", "127.0.0.1", "1", "breakeven", "0", "1"],
}


@pytest.mark.parametrize("what", FORBIDDEN)
@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_not_touch_what_is_none_of_its_business(secured: Secured, role: str, what: str):
    with secured.as_role(role) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*FORBIDDEN[what])
    with secured.administrator() as client:
        client.acl_log_reset()


ONLY_OTHERS_MAY = {
    "worker": [
        ["PUBLISH", "/0.celery.pidbox", "{}"],  # commands to other workers
        ["LRANGE", "breakeven", "0", "-1"],
        ["BRPOP", "x.reply.celery.pidbox", "1"],
        ["SCAN", "0"],
        ["INFO"],
        ["PSUBSCRIBE", "celery-task-meta-*"],
    ],
    "orchestrator": [
        ["PUBLISH", "celery-task-meta-breakeven-x", "{}"],  # results
        ["SET", "celery-task-meta-other", "x"],
        ["LPUSH", "breakeven", "{}"],
    ],
    "payloads": [
        ["LPUSH", "breakeven-x", "{}"],
        ["GET", "celery-task-meta-breakeven-x"],
        ["PSUBSCRIBE", "*"],
    ],
    "flower": [
        ["LPUSH", "breakeven-x", "{}"],  # tasks
        ["GET", "breakeven-x:in:1"],
        ["GET", "celery-task-meta-breakeven-x"],
        ["INFO"],
        ["SCAN", "0"],
    ],
}


@pytest.mark.parametrize(
    ("role", "command"),
    [(role, command) for role, commands in ONLY_OTHERS_MAY.items() for command in commands],
    ids=lambda each: each if isinstance(each, str) else " ".join(each[:2]),
)
def test_a_role_may_not_do_another_s_part(secured: Secured, role: str, command: list[str]):
    with secured.as_role(role) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)
    with secured.administrator() as client:
        client.acl_log_reset()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "command",
    [
        ["EVAL", "while true do end", "0"],
        ["SCRIPT", "LOAD", "return 1"],
        ["EVALSHA", 40 * "0", "0"],
        ["FCALL", "f", "0"],
    ],
    ids=lambda command: command[0].lower(),
)
def test_no_role_may_run_a_script(secured: Secured, role: str, command: list[str]):
    """A script that loops stops the broker for everybody, and only an administrator may kill it."""
    with secured.as_role(role) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)
    with secured.administrator() as client:
        client.acl_log_reset()


def test_flower_cannot_bind_a_queue_of_its_own_to_a_runs(secured: Secured):
    """It would receive the run's messages with their payloads."""
    with secured.as_role("flower") as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.sadd("_kombu.binding.breakeven-0123", "breakeven-0123\x06\x16\x06\x16celeryev.mine")
    with secured.administrator() as client:
        client.acl_log_reset()


def test_nobody_gets_in_without_a_user(secured: Secured):
    with (
        redis.Redis(unix_socket_path=str(secured.socket)) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_the_rights_file_holds_no_password_and_nobody_else_gets_at_the_secrets(secured: Secured):
    acl = (secured.secrets / "broker" / "users.acl").read_text()
    assert [role for role in ROLES if secured.password(role) in acl] == []
    assert secured.secrets.stat().st_mode & 0o777 == 0o700


def test_what_goes_to_the_workers_machines_holds_the_worker_s_password_alone(secured: Secured):
    sent = "".join(path.read_text() for path in (secured.secrets / "workers").iterdir())
    assert [role for role in ROLES if secured.password(role) in sent] == ["worker"]
    keys = {path.name for path in (secured.secrets / "workers").glob("*.key")}
    assert keys == {"client.key"}


def test_secrets_are_never_overwritten(secured: Secured):
    script = ROOT / "docker" / "redis" / "make-secrets"
    before = secured.password("worker")
    environment = {"PATH": os.environ["PATH"], "SECRETS": str(secured.secrets)}
    again = [str(script), "broker.test"]
    done = subprocess.run(again, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "exists" in done.stderr) == (2, True)
    assert secured.password("worker") == before


def test_certificates_stand_up_to_the_strict_checks_of_newer_pythons(secured: Secured):
    certificates = [str(secured.secrets / place) for place in ("broker/server.crt", "clients/client.crt")]
    command = [
        "openssl",
        "verify",
        "-x509_strict",
        "-CAfile",
        str(secured.secrets / "clients" / "ca.crt"),
        *certificates,
    ]
    assert subprocess.run(command, capture_output=True, text=True, check=False).returncode == 0


def test_payloads_may_lie_in_another_redis(tmp_path):
    with ChildProcesses() as elsewhere, secured_broker(elsewhere, tmp_path) as secured:
        store = start_broker(elsewhere)
        settings = {"BREAKEVEN_PAYLOAD_URL": store, **secured.environment}
        start_worker(elsewhere, "worker1", BREAKEVEN_BROKER_URL=secured.url("worker"), **settings)
        broker = ["--broker", secured.url("orchestrator")]
        checked = orchestrator("doctor", *broker, cwd=tmp_path, **settings)
        done = orchestrator(
            "run", *SMALL, "--strategy", "celery", "--slots", "1", *broker, cwd=tmp_path, **settings
        )
        assert (checked.returncode, done.returncode) == (0, 0), checked.stdout + done.stderr
        assert "payloads: every worker finds what is put into the payload store" in checked.stdout
        with connect(store) as client:
            assert client.info("commandstats")["cmdstat_set"]["calls"] > 0
            assert client.keys("*") == []
        with secured.administrator() as client:
            assert not any(b":in:" in key or b":out:" in key for key in client.keys("*"))
        assert secured.denied() == []
    result = json.loads(next((tmp_path / "results").glob("*.json")).read_text())
    assert result["environment"]["payload_store"]["name"] == "valkey"


def test_a_payload_store_needs_a_user_with_no_other_rights(
    tmp_path, machine: ChildProcesses, secured: Secured, workers: list[str]
):
    settings = {"BREAKEVEN_PAYLOAD_URL": secured.url("payloads"), **secured.environment}
    start_worker(machine, "frugal", BREAKEVEN_BROKER_URL=secured.url("worker"), **settings)
    chosen = [
        "--strategy",
        "celery",
        "--slots",
        str(len(workers) + 1),
        "--data",
        "local",
        "--data",
        "resident",
    ]
    broker = ["--broker", secured.url("orchestrator")]
    checked = orchestrator("doctor", *broker, cwd=tmp_path, **settings)
    done = orchestrator("run", *SMALL, *chosen, *broker, cwd=tmp_path, **settings)
    machine.stop("frugal")
    assert (checked.returncode, done.returncode) == (0, 0), checked.stdout + done.stderr
    assert secured.denied() == []


def test_a_worker_that_looks_for_payloads_elsewhere_is_named_with_the_remedy(
    tmp_path, secured: Secured, workers: list[str]
):
    with ChildProcesses() as elsewhere:
        settings = {"BREAKEVEN_PAYLOAD_URL": start_broker(elsewhere), **secured.environment}
        broker = ["--broker", secured.url("orchestrator")]
        checked = orchestrator("doctor", *broker, cwd=tmp_path, **settings)
    assert checked.returncode == 3, checked.stdout
    (line,) = [line for line in checked.stdout.splitlines() if line.startswith("MISSING")]
    assert all(f"{name}@test looks for payloads in another store" in line for name in workers)
    assert "-> set BREAKEVEN_PAYLOAD_URL to the same Redis" in checked.stdout


def test_a_payload_store_that_evicts_is_refused(tmp_path, secured: Secured, workers: list[str]):
    with ChildProcesses() as elsewhere:
        store = start_broker(elsewhere)
        with connect(store) as client:
            client.config_set("maxmemory-policy", "volatile-lru")
        settings = {"BREAKEVEN_PAYLOAD_URL": store, **secured.environment}
        broker = ["--broker", secured.url("orchestrator")]
        done = orchestrator("run", *SMALL, *CELERY, *broker, cwd=tmp_path, **settings)
    assert done.returncode == 3
    assert "payload store" in done.stderr
    assert "volatile-lru, which deletes payloads when memory runs short" in done.stderr


def test_flower_watches_and_asks_with_rights_of_its_own(monkeypatch, secured: Secured, workers: list[str]):
    for name, value in secured.environment.items():
        monkeypatch.setenv(name, value)
    with ChildProcesses() as beside:
        access = start_flower(beside, secured.url("flower"), len(workers))
        login = (access.user, access.password)
        with external_fleet(secured.settings("orchestrator")) as fleet:
            with Celery(2, fleet, "redis", 1, "local") as strategy:
                list(strategy.run([Task(number, "diagnostics", "noop", "x") for number in range(4)]))
            seen = requests.get(f"{access.url}/api/tasks", auth=login, timeout=10).json().values()
            lengths = requests.get(f"{access.url}/api/queues/length", auth=login, timeout=10)
        asked = requests.get(f"{access.url}/api/workers?refresh=1", auth=login, timeout=30).json()
    assert {task["name"] for task in seen} == {"breakeven.diagnostics"}
    assert lengths.status_code == requests.codes.ok
    assert {name: worker["stats"]["pool"]["max-concurrency"] for name, worker in asked.items()} == {
        f"{name}@test": 1 for name in workers
    }
    assert secured.denied() == []
