from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partialmethod
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil
import pytest

from orchestrator.errors import UnavailableError
from orchestrator.strategies.process_transports import TRANSPORTS
from orchestrator.strategies.processes import IdiomaticProcesses, Processes, ProcessPool
from tests.conformance import batch, check, check_outputs, outcomes_of, pixels
from worker import pool_process, shared_memory
from worker.contract import Outcome, Task

ROOT = Path(__file__).parents[2]
END_S = 10.0


class HoldingServer:
    """Takes connections and never answers: a download from its kernel runs until the connection ends."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        self.clients: queue.SimpleQueue[int] = queue.SimpleQueue()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/picture"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, (_, port) = self._socket.accept()
                self._held.append(connection)
                connection.recv(1)  # the request is on its way, so the kernel runs
                self.clients.put(port)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._held:
            connection.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HoldingServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = HoldingServer()
    yield server
    server.close()


def children() -> set[int]:
    """The pool processes of this test; those of the multiprocessing module itself stay up."""
    return {child.pid for child in multiprocessing.active_children() if child.pid is not None}


def dying(id_: int = 100) -> Task:
    """A task whose kernel kills its process."""
    return Task(id_, "diagnostics", "die", "")


def blocks(pid: int | None = None) -> set[Path]:
    """The blocks of shared memory that a process has open, this one unless another is named."""
    paths = [Path(each.path) for each in psutil.Process(pid).open_files()]
    return {path for path in paths if path.match("/dev/shm/psm_*")}  # noqa: S108 - looked at only


def wait_until(is_so: Callable[[], bool]) -> bool:
    """Return whether something becomes so in time."""
    deadline = time.monotonic() + END_S
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_so()


every_transport = pytest.mark.parametrize("transport", TRANSPORTS)


@every_transport
@pytest.mark.parametrize(("slots", "chunk"), [(1, 1), (2, 1), (2, 4)])
def test_a_task_that_kills_its_process_is_lost_alone(slots: int, chunk: int, transport: str) -> None:
    tasks = [*_from(0, 10), dying(), *_from(10, 10)]
    with Processes(slots, chunk, transport) as strategy:
        outcomes = outcomes_of(strategy, tasks)
        assert sorted(task.id for task in tasks) == sorted(outcome.task_id for outcome in outcomes)
        (lost,) = [outcome for outcome in outcomes if outcome.failure]
        assert (lost.task_id, lost.status) == (100, "lost")
        assert lost.failure is not None
        assert "was ended by SIGKILL in the middle of this task" in lost.failure.message
        check_outputs([outcome for outcome in outcomes if not outcome.failure], tasks)
        assert "was ended by SIGKILL, so what was left was done again in a new pool" in str(
            strategy.disturbance()
        )
        check(strategy, batch("grayscale", "numpy", 20))
        assert strategy.disturbance() is None
        assert len(children()) == slots


def _from(first: int, count: int) -> list[Task]:
    return [replace(task, id=first + task.id) for task in batch("grayscale", "numpy", count)]


@every_transport
def test_a_process_killed_within_a_batch_loses_no_task_and_is_reported(transport: str) -> None:
    tasks = [Task(100, "diagnostics", "sleep", "0.3"), *batch("grayscale", "numpy", 20)]
    with Processes(1, 1, transport) as strategy:
        (victim,) = children()
        running = strategy.run(tasks)
        threading.Timer(0.1, os.kill, (victim, signal.SIGKILL)).start()
        outcomes = list(running)
        assert sorted(task.id for task in tasks) == sorted(outcome.task_id for outcome in outcomes)
        assert [outcome.failure for outcome in outcomes if outcome.failure] == []
        assert strategy.disturbance() == (
            f"pool process {victim} was ended by SIGKILL, so what was left was done again in a new pool"
        )
        assert victim not in children()


def test_a_kernel_that_leaves_by_os_exit_is_named_with_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_process, "run_pickled", exits_with_nine)
    monkeypatch.setattr("orchestrator.strategies.process_transports.run_pickled", exits_with_nine)
    with Processes(1) as strategy:
        outcomes = outcomes_of(strategy, batch("grayscale", "numpy", 3))
    assert sorted(outcome.task_id for outcome in outcomes) == [0, 1, 2]
    for outcome in outcomes:
        assert outcome.status == "lost"
        assert "ended with exit code 9 in the middle of this task" in str(outcome.failure)


def exits_with_nine(tasks: object) -> list[Outcome]:
    os._exit(9)


def test_a_process_that_leaves_with_exit_code_zero_disturbs_its_sample(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("orchestrator.strategies.process_transports.run_pickled", exits_with_zero_once)
    with Processes(1) as strategy:
        outcomes = outcomes_of(strategy, [Task(0, "diagnostics", "noop", str(tmp_path / "ran"))])
        assert [outcome.status for outcome in outcomes] == ["ok"]
        assert "ended with exit code 0, so what was left was done again" in str(strategy.disturbance())


def exits_with_zero_once(tasks: list[tuple[int, str, str, str]]) -> list[tuple[object, ...]]:
    ran = Path(tasks[0][3])
    if not ran.exists():
        ran.touch()
        os._exit(0)
    return pool_process.run_pickled(tasks)


def test_a_process_killed_while_it_writes_its_answer_loses_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    victims: list[int] = []

    def read(handle: int, size: int) -> bytes:
        data = os.read(handle, size)
        if victims and size > 1_000_000:
            os.kill(victims.pop(), signal.SIGKILL)
        return data

    monkeypatch.setattr(Connection, "_recv", partialmethod(Connection._recv, read=read))
    with Processes(2) as strategy:
        victims.append(next(iter(children())))
        tasks = [Task(i, "diagnostics", "noop", bytes(5_000_000)) for i in range(6)]
        outcomes = outcomes_of(strategy, tasks)
        assert sorted(outcome.task_id for outcome in outcomes) == list(range(6))
        assert [outcome.failure for outcome in outcomes if outcome.failure] == []
        assert strategy.disturbance() is not None


def test_a_pool_that_breaks_is_replaced_however_long_it_takes_to_end_its_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_exception = Future.set_exception

    def slowly(call: Future[object], error: BaseException | None) -> None:
        set_exception(call, error)
        time.sleep(0.01)

    monkeypatch.setattr(Future, "set_exception", slowly)
    tasks = [dying(), *(Task(i, "diagnostics", "noop", "") for i in range(20))]
    with Processes(2) as strategy:
        lost = [outcome.task_id for outcome in outcomes_of(strategy, tasks) if outcome.failure]
        assert lost == [100]


def test_a_process_killed_between_batches_costs_no_task() -> None:
    with Processes(2) as strategy:
        victim = min(children())
        os.kill(victim, signal.SIGKILL)
        assert wait_until(lambda: victim not in children())
        check(strategy, batch("grayscale", "numpy", 20))
        check(strategy, batch("grayscale", "numpy", 20))


def test_map_loses_what_has_not_come_when_a_process_dies_and_the_next_batch_is_done() -> None:
    with IdiomaticProcesses(2) as strategy:
        outcomes = outcomes_of(
            strategy, [*batch("grayscale", "numpy", 2), dying(), *batch("decode", "asarray", 3, first_id=200)]
        )
        assert {outcome.task_id: outcome.status for outcome in outcomes}[100] == "lost"
        assert sorted(outcome.task_id for outcome in outcomes) == [0, 1, 100, 200, 201, 202]
        assert "was ended by SIGKILL, so what map had not returned was lost" in str(strategy.disturbance())
        check(strategy, batch("grayscale", "numpy", 6))


def test_map_names_the_death_although_the_pool_breaks_before_the_process_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, ended_now = iter([[]]), ProcessPool._ended_now
    with IdiomaticProcesses(2) as strategy:
        monkeypatch.setattr(ProcessPool, "_ended_now", lambda pool: next(seen, None) or ended_now(pool))
        (outcome,) = outcomes_of(strategy, [dying()])
        assert outcome.failure is not None
        assert "was ended by SIGKILL" in outcome.failure.message


def test_a_process_that_died_idle_is_reported_once_and_replaced_before_the_next_batch() -> None:
    with Processes(2) as strategy:
        check(strategy, batch("grayscale", "numpy", 4))
        assert strategy.disturbance() is None
        victim = min(children())
        os.kill(victim, signal.SIGKILL)
        assert wait_until(lambda: not psutil.pid_exists(victim))
        assert f"pool process {victim} was ended by SIGKILL" in str(strategy.disturbance())
        assert victim not in children()
        assert len(children()) == 2
        assert strategy.disturbance() is None


@every_transport
def test_a_batch_closed_while_a_task_hangs_leaves_the_strategy_ready(
    server: HoldingServer, transport: str
) -> None:
    with Processes(1, 1, transport) as strategy:
        outcomes = strategy.run([*batch("grayscale", "numpy", 1), Task(9, "download", "session", server.url)])
        next(outcomes)
        server.clients.get(timeout=END_S)
        outcomes.close()
        assert strategy.disturbance() is None
        check(strategy, batch("grayscale", "numpy", 5))


@every_transport
def test_a_task_over_the_time_limit_is_lost_and_the_others_are_done(
    server: HoldingServer, transport: str
) -> None:
    tasks = [Task(0, "download", "session", server.url), Task(1, "decode", "asarray", b"")]
    with Processes(1, 1, transport, task_time_limit_s=0.5) as strategy:
        outcomes = sorted(outcomes_of(strategy, tasks), key=lambda outcome: outcome.task_id)
        assert [outcome.status for outcome in outcomes] == ["lost", "failed"]
        assert "was ended after the limit of 0.5 s in the middle of this task" in str(outcomes[0].failure)
        assert "was ended after the limit of 0.5 s" in str(strategy.disturbance())


def test_after_the_deadline_for_tasks_one_by_one_the_rest_is_lost(server: HoldingServer) -> None:
    tasks = [Task(number, "download", "session", server.url) for number in range(6)]
    with Processes(2, task_time_limit_s=0.2) as strategy:
        started = time.monotonic()
        outcomes = outcomes_of(strategy, tasks)
        assert time.monotonic() - started < END_S
        assert sorted(outcome.task_id for outcome in outcomes) == [0, 1, 2, 3, 4, 5]
        assert {outcome.status for outcome in outcomes} == {"lost"}
        assert "the time for doing tasks one by one was over" in str(outcomes[-1].failure)
        check(strategy, batch("grayscale", "numpy", 5))


def test_a_task_behind_a_long_one_is_done_by_a_free_process(server: HoldingServer) -> None:
    tasks = [Task(100, "download", "session", server.url), *batch("grayscale", "numpy", 20)]
    with Processes(2) as strategy:
        outcomes = strategy.run(tasks)
        done = [next(outcomes) for _ in range(20)]
        assert list(range(20)) == sorted(outcome.task_id for outcome in done)
        outcomes.close()


@every_transport
@pytest.mark.parametrize("chunk", [1, 4])
def test_a_payload_that_cannot_be_pickled_fails_as_its_own_task(chunk: int, transport: str) -> None:
    odd = Task(100, "grayscale", "numpy", lambda: None)  # type: ignore[arg-type]
    with Processes(1, chunk, transport) as strategy:
        outcomes = outcomes_of(strategy, [odd, *batch("grayscale", "numpy", 3)])
        (failed,) = [outcome for outcome in outcomes if outcome.failure]
        assert (failed.task_id, failed.status) == (100, "failed")
        assert "pickle" in str(failed.failure)
        assert sorted(outcome.task_id for outcome in outcomes if not outcome.failure) == [0, 1, 2]
        assert strategy.disturbance() is None


def test_processes_take_no_notice_of_ctrl_c() -> None:
    with Processes(2) as strategy:
        before = children()
        for pid in before:
            os.kill(pid, signal.SIGINT)
        check(strategy, batch("grayscale", "numpy", 20))
        assert before == children()


@every_transport
def test_an_interrupt_within_a_batch_leaves_the_strategy_ready(
    monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    def interrupt(call: object) -> list[Outcome]:
        raise KeyboardInterrupt

    with Processes(2, 1, transport) as strategy:
        with monkeypatch.context() as patched:
            patched.setattr(strategy._transport, "outcomes", interrupt)
            with pytest.raises(KeyboardInterrupt):
                outcomes_of(strategy, batch("grayscale", "numpy", 50))
        check(strategy, batch("grayscale", "numpy", 50))
        assert strategy.disturbance() is None


@every_transport
def test_outputs_stay_valid_after_the_next_batches(transport: str) -> None:
    tasks = batch("grayscale", "numpy", 30, scale=5)
    with Processes(2, 1, transport) as strategy:
        outcomes = outcomes_of(strategy, tasks)
        for first_id in (100, 200, 300):
            check(strategy, batch("grayscale", "numpy", 30, scale=5, first_id=first_id))
    check_outputs(outcomes, tasks)


def test_shared_memory_holds_the_calls_in_flight_however_long_the_batch() -> None:
    picture, seen = pixels(200, 300), set()
    with Processes(1, 1, "shared-memory") as strategy:
        for _ in strategy.run([Task(i, "grayscale", "numpy", picture) for i in range(500)]):
            assert len(blocks()) <= 3
            seen |= blocks()
        assert sum(path.stat().st_size for path in blocks()) < 3 * 3 * picture.nbytes
    assert seen
    assert [path for path in seen if path.exists()] == []


def test_outputs_larger_than_their_inputs_come_out_right_and_fit_from_then_on() -> None:
    tasks = batch("decode", "asarray", 20, scale=10)
    with Processes(2, 1, "shared-memory") as strategy:
        for _ in range(3):
            check(strategy, tasks)


def test_without_room_in_shared_memory_every_task_fails_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(fd: int, start: int, nbytes: int) -> None:
        raise OSError(28, "No space left on device")

    with Processes(2, 1, "shared-memory") as strategy:
        with monkeypatch.context() as patched:
            patched.setattr(shared_memory.os, "posix_fallocate", full)
            outcomes = outcomes_of(strategy, batch("grayscale", "numpy", 5))
        assert sorted(outcome.task_id for outcome in outcomes) == list(range(5))
        for outcome in outcomes:
            assert outcome.failure is not None
            assert (outcome.status, outcome.failure.type) == ("failed", "NoSharedMemoryError")
            assert "No space left on device" in outcome.failure.message
            assert "raise shm_size" in outcome.failure.message
            assert "--transport pickle" in outcome.failure.message
        assert blocks() == set()
        check(strategy, batch("grayscale", "numpy", 5))


def dies_at_once(*_: object) -> None:
    os._exit(7)


def test_a_process_that_cannot_start_is_reported_with_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_process, "start", dies_at_once)
    with pytest.raises(
        UnavailableError, match=r"2 pool processes did not start: pool process \d+ ended with exit code 7"
    ):
        Processes(2).__enter__()
    assert children() == set()


def test_no_room_for_the_semaphores_of_a_pool_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(multiprocessing.get_context("forkserver")), "Barrier", full)
    with pytest.raises(UnavailableError, match=r"2 pool processes did not start: .* No space left on device"):
        Processes(2).__enter__()
    assert children() == set()


ORCHESTRATOR = """
    import sys
    import numpy as np
    from orchestrator.strategies.processes import Processes
    from worker.contract import Task

    strategy = Processes(2, 1, sys.argv[1]).__enter__()
    small, large = (np.zeros((n, n, 3), np.uint8) for n in (200, 2000))
    tasks = [Task(i, "grayscale", "loop" if i >= 20 else "numpy", small if i < 20 else large) for i in range(24)]
    outcomes = strategy.run(tasks)
    for _ in range(20):
        next(outcomes)
    print(*(process.pid for process in strategy._pool.processes), flush=True)
    next(outcomes)
"""


def python(*arguments: str, stdin: str = "") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(stdin)
    process.stdin.close()
    return process


@every_transport
def test_no_process_and_no_shared_memory_outlives_an_orchestrator_that_was_killed(transport: str) -> None:
    process = python("-c", textwrap.dedent(ORCHESTRATOR), transport)
    with process:
        assert process.stdout is not None
        pool = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        assert len(pool) == 2
        others = psutil.Process(process.pid).children(recursive=True)
        held = blocks(process.pid)
        assert bool(held) == (transport == "shared-memory")
        process.kill()
    _, alive = psutil.wait_procs({*pool, *others}, timeout=END_S)
    assert alive == []
    assert wait_until(lambda: not any(path.exists() for path in held))


@pytest.mark.parametrize("way", ["command", "stdin", "script"])
def test_it_runs_from_any_kind_of_main_module(way: str, tmp_path: Path) -> None:
    program = textwrap.dedent("""
        from orchestrator.strategies.processes import Processes
        from worker.contract import Task
        with Processes(1) as strategy:
            print([outcome.failure.type for outcome in strategy.run([Task(0, "decode", "asarray", b"")])])
    """)
    script = tmp_path / "script.py"
    script.write_text(program)
    arguments, stdin = {
        "command": (["-c", program], ""),
        "stdin": (["-"], program),
        "script": ([str(script)], ""),
    }[way]
    with python(*arguments, stdin=stdin) as process:
        assert process.stdout is not None
        assert process.stdout.read() == "['DecodeError']\n"
    assert process.returncode == 0


LOADED = """
    import os
    from orchestrator.strategies.processes import Processes
    with Processes(1) as strategy:
        (process,) = strategy._pool.processes
        print(open(f"/proc/{process.pid}/maps").read())
        print(open(f"/proc/{process.pid}/environ").read())
    print("mine", os.environ["OMP_NUM_THREADS"])
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_a_process_loads_what_a_worker_needs_and_gives_numerical_libraries_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with python("-c", textwrap.dedent(LOADED)) as process:
        assert process.stdout is not None
        said = process.stdout.read()
    assert "/numpy/" in said
    assert "/scipy/" not in said
    assert "/tornado/" not in said
    assert "OMP_NUM_THREADS=1" in said
    assert "OPENBLAS_NUM_THREADS=1" in said
    assert "mine 7" in said


@every_transport
def test_a_kernel_or_stage_that_there_is_not_fails_its_task(transport: str) -> None:
    (task,) = batch("grayscale", "numpy", 1)
    with Processes(1, 1, transport) as strategy:
        for stage, kernel, why in (
            ("grayscale", "none", "grayscale has no kernel 'none'"),
            ("none", "none", "there is no stage 'none'"),
        ):
            (outcome,) = outcomes_of(strategy, [replace(task, stage=stage, kernel=kernel)])
            assert outcome.failure is not None
            assert outcome.failure.message.startswith(why)


def test_a_large_payload_in_the_pipe_of_a_process_that_dies_blocks_nothing() -> None:
    large = [Task(i, "grayscale", "numpy", np.zeros((1500, 1500, 3), np.uint8)) for i in range(6)]
    with Processes(1) as strategy:
        outcomes = outcomes_of(strategy, [dying(), *large])
        assert [outcome.task_id for outcome in outcomes if outcome.failure] == [100]
