"""Bad pictures fail alike in every strategy, and foreign messages do nothing."""

from __future__ import annotations

import io
import os
import pickle
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
from kombu.serialization import disable_insecure_serializers, enable_insecure_serializers

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.fleet import Fleet
from orchestrator.strategies.base import Strategy
from orchestrator.strategies.celery import Celery
from orchestrator.strategies.processes import Processes
from orchestrator.strategies.serial import Serial
from orchestrator.strategies.threads import Threads
from orchestrator.strategies.vectorized import Vectorized
from tests.command_line import orchestrator
from tests.conformance import BROKEN_PIXELS, outcomes_of
from tests.fuzz.corrupt_pictures import bad_pictures
from worker.contract import Outcome, Payload, Task

DEADLINE_S = 30.0

OTHERS: dict[str, Callable[[Fleet], Strategy]] = {
    "threads": lambda fleet: Threads(2),
    "processes": lambda fleet: Processes(2),
    "celery, redis": lambda fleet: Celery(2, fleet, "redis", 4, "local"),
    "celery, inline": lambda fleet: Celery(2, fleet, "inline", 4, "local"),
    "celery, files": lambda fleet: Celery(2, fleet, "files", 4, "resident"),
}


def ends(strategy: Strategy, tasks: list[Task]) -> dict[int, tuple[Any, ...]]:
    """Return each task's failure type and message, or its output's shape and bytes."""
    with strategy:
        return {outcome.task_id: _end(outcome) for outcome in outcomes_of(strategy, tasks)}


def _end(outcome: Outcome) -> tuple[Any, ...]:
    if outcome.failure is not None:
        return outcome.status, outcome.failure.type, outcome.failure.message
    assert isinstance(outcome.output, np.ndarray)
    return outcome.status, outcome.output.shape, outcome.output.tobytes()


@pytest.fixture(scope="module")
def pictures() -> list[Task]:
    return [Task(i, "decode", "asarray", content) for i, content in enumerate(bad_pictures())]


@pytest.fixture(scope="module")
def in_serial(pictures: list[Task]) -> dict[int, tuple[Any, ...]]:
    return ends(Serial(1), pictures)


def test_bad_pictures_fail_and_whole_ones_do_not(in_serial: dict[int, tuple[Any, ...]]) -> None:
    kinds = {end[:2] if end[0] == "failed" else end[:1] for end in in_serial.values()}
    assert kinds == {("ok",), ("failed", "DecodeError")}
    assert all(end[2].isprintable() for end in in_serial.values() if end[0] == "failed")


@pytest.mark.parametrize("name", OTHERS)
def test_bad_pictures_fail_alike_in_every_strategy(
    name: str, fleet: Fleet, pictures: list[Task], in_serial: dict[int, tuple[Any, ...]]
) -> None:
    assert ends(OTHERS[name](fleet), pictures) == in_serial


def test_broken_pixels_fail_alike_in_a_batch_kernel() -> None:
    payloads: tuple[Payload, ...] = (*BROKEN_PIXELS, np.zeros((4, 5, 3), dtype=np.uint8))
    tasks = [Task(i, "grayscale", "numpy", payload) for i, payload in enumerate(payloads)]
    assert ends(Vectorized(1), tasks) == ends(Serial(1), tasks)


class Planted:
    """A class whose pickle runs code when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


def test_the_trap_works_if_its_pickle_is_loaded(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Planted(tmp_path / "planted")))  # noqa: S301 - our own, to see that it works
    assert (tmp_path / "planted").is_dir()


def test_a_pickle_in_the_queue_is_not_loaded_and_the_worker_goes_on(fleet: Fleet, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    with Celery(1, fleet, "redis", 1, "local") as strategy:
        with fleet.app.connection_for_write() as connection:
            enable_insecure_serializers(["pickle"])
            try:
                producer = connection.Producer(serializer="pickle")
                for body in (Planted(planted), ((), {"message": Planted(planted)}, {})):
                    producer.publish(
                        body,
                        exchange=fleet.run_id,
                        routing_key=fleet.run_id,
                        headers={"task": "breakeven.decode", "id": "1"},
                    )
            finally:
                disable_insecure_serializers()
        png = next(content for content in bad_pictures() if content.startswith(b"\x89PNG"))
        outcomes = outcomes_of(strategy, [Task(i, "decode", "asarray", png) for i in range(4)])
    assert [outcome.status for outcome in outcomes] == ["ok"] * 4
    assert not planted.exists()


def test_pixels_that_are_a_pickle_are_only_bytes(fleet: Fleet, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    npy = io.BytesIO()
    np.save(npy, np.array([Planted(planted)], dtype=object), allow_pickle=True)
    for payload in (pickle.dumps(Planted(planted)), npy.getvalue()):
        with Celery(1, fleet, "redis", 1, "local") as strategy:
            (outcome,) = outcomes_of(strategy, [Task(1, "decode", "asarray", payload)])
        assert outcome.failure is not None
        assert outcome.failure.type == "DecodeError"
    assert not planted.exists()


POOL = {
    "orchestrator/fleet/embedded.py",  # only makes a lock, to see whether /dev/shm can be used
    "worker/pool_process.py",
    "worker/shared_memory.py",
    "orchestrator/strategies/processes.py",
}
"""The modules that pickle between the orchestrator and the processes it started itself, over pipes and no network."""

FRAMES = {"orchestrator/measurement/function_host.py", "orchestrator/measurement/function_process.py"}
"""The modules that send bytes over a `multiprocessing.connection`, and never objects, which it would pickle."""


def test_no_module_of_ours_loads_pickles_except_those_of_the_process_pool() -> None:
    root = Path(__file__).parents[2]
    bare, pools = (
        ("pickle", "marshal", "shelve", "np.load"),
        ("multiprocessing", "concurrent.futures.process"),
    )
    for path in (*root.glob("worker/**/*.py"), *root.glob("orchestrator/**/*.py")):
        name = str(path.relative_to(root))
        words = bare if name in POOL | FRAMES else (*bare, *pools)
        code = [line.partition("#")[0] for line in path.read_text(encoding="utf-8").splitlines()]
        used = [
            line for line in code if any(f"import {word}" in line or f"from {word}" in line for word in words)
        ]
        assert used == [], path
        if name in FRAMES:
            assert not [line for line in code if ".recv()" in line or ".send(" in line], path


def test_no_secret_is_among_the_arguments_of_a_process(fleet: Fleet, processes: ChildProcesses) -> None:
    """Every user of the machine sees arguments; only the owner sees the environment."""
    family = psutil.Process().children(recursive=True)
    lines = [" ".join(child.cmdline()) for child in family]
    assert any("celery" in line for line in lines)
    assert [line for line in lines if "redis" in line and "://" in line] == []


def test_the_password_in_the_url_of_a_broker_is_not_shown(tmp_path: Path) -> None:
    plain = "redis://somebody:hunter2@127.0.0.1:1/0"
    query = f"{plain}?password=hunter2"
    commands = {
        ("run", "--broker", plain): 3,
        ("doctor", "--broker", plain): 3,
        ("scale", f"--broker={query}"): 2,
    }
    for command, code in commands.items():
        done = orchestrator(*command, cwd=tmp_path)
        assert done.returncode == code
        assert "hunter2" not in done.stdout + done.stderr
        assert "somebody" not in done.stdout + done.stderr


def test_an_origin_refuses_the_body_of_a_request(origin_url: str) -> None:
    """A request for a picture needs no body."""
    address = urlsplit(origin_url)
    with socket.create_connection((address.hostname, address.port or 0), timeout=DEADLINE_S) as client:
        client.sendall(b"POST /images/0.jpg HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n")
        answer = client.recv(4096)
    assert answer.split(b" ")[1:2] in ([b"400"], [b"405"], [])
