from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path

import psutil
import pytest

from orchestrator.errors import UnavailableError
from orchestrator.strategies.base import Strategy
from orchestrator.strategies.processes import Processes, slot_program
from orchestrator.strategies.processes.slot_process import SlotProcess
from orchestrator.strategies.processes.slot_program import NO_HURRY
from orchestrator.strategies.serial import Serial
from orchestrator.strategies.threads import Threads
from orchestrator.strategies.vectorized import Vectorized
from tests.conformance import StrategyConformance, batch, check, check_outputs, outcomes_of, pixels
from worker.arena import FIRST_BYTES
from worker.contract import Outcome, Task

ROOT = Path(__file__).parents[2]
END_S = 10.0


class TestSerial(StrategyConformance):
    slots = 1

    @classmethod
    def make(cls, slots: int) -> Strategy:
        return Serial(slots)


class TestThreads(StrategyConformance):
    slots = 3

    @classmethod
    def make(cls, slots: int) -> Strategy:
        return Threads(slots)


class TestProcesses(StrategyConformance):
    @classmethod
    def make(cls, slots: int) -> Strategy:
        return Processes(slots)


class TestVectorized(StrategyConformance):
    slots = 1
    kernels = (("grayscale", "numpy"),)

    @classmethod
    def make(cls, slots: int) -> Strategy:
        return Vectorized(slots)


class HoldingServer:
    """Takes connections and never answers: a download from it is at work until somebody ends it."""

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


def pids(outcomes: list[Outcome]) -> set[int]:
    return {int(str(outcome.slot).split(":")[1]) for outcome in outcomes}


def children() -> set[int]:
    """Children of this test that other tests' fleets, which stay up, did not start."""
    return {child.pid for child in psutil.Process().children() if not is_supervisor(child)}


def is_supervisor(child: psutil.Process) -> bool:
    try:
        return "supervisor.py" in " ".join(child.cmdline())
    except psutil.ZombieProcess:
        return False


def connected(port: int) -> psutil.Process:
    """The child that holds the client's end of a connection."""
    for child in psutil.Process().children():
        if any(connection.laddr.port == port for connection in child.net_connections("tcp")):
            return child
    raise AssertionError(f"no child is connected from port {port}")


def kill_who_comes(server: HoldingServer, victims: list[int]) -> None:
    victim = connected(server.clients.get(timeout=END_S))
    victims.append(victim.pid)
    victim.kill()


@pytest.mark.parametrize("slots", [1, 2])
def test_a_slot_killed_in_the_middle_of_a_task_costs_that_task_alone(
    server: HoldingServer, slots: int
) -> None:
    held = Task(100, "download", "session", server.url)
    tasks = [held, *batch("grayscale", "numpy", 20)]
    victims: list[int] = []
    with Processes(slots) as strategy:
        killer = threading.Thread(target=kill_who_comes, args=(server, victims))
        killer.start()
        outcomes = outcomes_of(strategy, tasks)
        killer.join()
        assert sorted(task.id for task in tasks) == sorted(outcome.task_id for outcome in outcomes)
        (lost,) = [outcome for outcome in outcomes if outcome.failure]
        assert (held.id, "lost") == (lost.task_id, lost.status)
        assert lost.failure is not None
        assert (
            f"slot process {victims[0]} was ended by SIGKILL in the middle of this task"
            == lost.failure.message
        )
        check_outputs([outcome for outcome in outcomes if not outcome.failure], tasks)
        check(strategy, batch("grayscale", "numpy", 20))
        assert slots == len(children())
        assert victims[0] not in children()


def test_what_a_slot_had_done_and_not_told_when_it_was_killed_is_done_again() -> None:
    tasks = [*batch("grayscale", "numpy", 3), Task(100, "diagnostics", "die", ""), *_from(10, 6)]
    with Processes(1) as strategy:
        outcomes = outcomes_of(strategy, tasks)
    assert [outcome.task_id for outcome in outcomes if outcome.failure] == [100]
    check_outputs([outcome for outcome in outcomes if not outcome.failure], tasks)
    assert len(outcomes) == len(tasks)


def _from(first: int, count: int) -> list[Task]:
    return [replace(task, id=first + task.id) for task in batch("grayscale", "numpy", count)]


def test_a_slot_killed_between_batches_costs_nothing() -> None:
    with Processes(2) as strategy:
        victim = min(children())
        os.kill(victim, signal.SIGKILL)
        for _ in range(1000):  # the other slot may do a whole batch before this one is quite dead
            check(strategy, batch("grayscale", "numpy", 20))
            if victim not in children():
                break
        assert victim not in children()
        check(strategy, batch("grayscale", "numpy", 20))


def test_a_slot_that_died_idle_is_told_once_and_replaced_before_the_next_batch() -> None:
    with Processes(2) as strategy:
        check(strategy, batch("grayscale", "numpy", 4))
        assert strategy.disturbance() is None
        victim = min(children())
        os.kill(victim, signal.SIGKILL)
        os.waitid(os.P_PID, victim, os.WEXITED | os.WNOWAIT)
        told = strategy.disturbance()
        assert told == f"slot process {victim} was ended by SIGKILL, and was started anew"
        assert victim not in children()
        assert len(children()) == 2
        assert strategy.disturbance() is None


def test_a_slot_that_died_within_a_batch_is_told_though_no_task_was_lost_after_it() -> None:
    with Processes(2) as strategy:
        outcomes_of(strategy, [Task(0, "diagnostics", "die", ""), *_from(1, 4)])
        assert "and was started anew" in (strategy.disturbance() or "")


def test_slots_that_are_given_up_with_a_closed_batch_are_no_disturbance(server: HoldingServer) -> None:
    with Processes(1) as strategy:
        running = strategy.run(
            [Task(0, "decode", "asarray", b""), Task(1, "download", "session", server.url)]
        )
        next(running)
        running.close()
        assert strategy.disturbance() is None


def test_a_task_over_its_time_limit_is_ended_with_its_slot(server: HoldingServer) -> None:
    with Processes(1, task_time_limit_s=0.2) as strategy:
        outcomes = outcomes_of(
            strategy, [Task(0, "download", "session", server.url), Task(1, "decode", "asarray", b"")]
        )
    assert [outcome.status for outcome in sorted(outcomes, key=lambda outcome: outcome.task_id)] == [
        "lost",
        "failed",
    ]
    assert outcomes[0].failure is not None
    assert "was ended after the limit of 0.2 s in the middle of this task" in outcomes[0].failure.message


def test_a_batch_closed_while_a_task_hangs_leaves_the_strategy_ready(server: HoldingServer) -> None:
    with Processes(1) as strategy:
        outcomes = strategy.run([*batch("grayscale", "numpy", 1), Task(9, "download", "session", server.url)])
        next(outcomes)
        server.clients.get(timeout=END_S)
        outcomes.close()  # type: ignore[attr-defined]
        check(strategy, batch("grayscale", "numpy", 5))


def test_a_task_behind_a_long_one_is_done_by_a_slot_that_is_free(server: HoldingServer) -> None:
    tasks = [Task(100, "download", "session", server.url), *batch("grayscale", "numpy", 20)]
    with Processes(2) as strategy:
        outcomes = strategy.run(tasks)
        done = [next(outcomes) for _ in range(20)]
        assert list(range(20)) == sorted(outcome.task_id for outcome in done)


def test_a_payload_that_cannot_be_shared_fails_as_its_own_task() -> None:
    odd = Task(100, "grayscale", "numpy", None)  # type: ignore[arg-type]
    with Processes(1) as strategy:
        outcomes = outcomes_of(strategy, [odd, *batch("grayscale", "numpy", 3)])
    (failed,) = [outcome for outcome in outcomes if outcome.failure]
    assert failed.failure is not None
    assert (failed.task_id, failed.failure.type) == (100, "TypeError")
    assert failed.failure.message == "a payload of NoneType cannot be shared between processes"
    assert sorted(outcome.task_id for outcome in outcomes if not outcome.failure) == [0, 1, 2]


def test_slots_take_no_notice_of_ctrl_c() -> None:
    with Processes(2) as strategy:
        before = children()
        for pid in before:
            os.kill(pid, signal.SIGINT)
        outcomes = outcomes_of(strategy, batch("grayscale", "numpy", 20))
        assert pids(outcomes) <= before
        assert before == children()


def test_an_output_is_kept_as_long_as_somebody_holds_it() -> None:
    tasks = batch("grayscale", "numpy", 30, scale=5)
    with Processes(2) as strategy:
        outcomes = outcomes_of(strategy, tasks)
        for first_id in (100, 200, 300):
            check(strategy, batch("grayscale", "numpy", 30, scale=5, first_id=first_id))
    check_outputs(outcomes, tasks)


def test_memory_does_not_grow_with_the_batch_when_outputs_are_let_go() -> None:
    picture = pixels(200, 300)
    with Processes(1) as strategy:
        for _ in strategy.run([Task(i, "grayscale", "numpy", picture) for i in range(500)]):
            pass
        (slot,) = strategy._slots
        assert slot._outputs.grown_to(0).size() == FIRST_BYTES


def test_a_slot_that_cannot_start_is_reported_with_its_fate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "broken.py"
    program.write_text("raise SystemExit(7)")
    monkeypatch.setattr(slot_program, "__file__", str(program))
    with pytest.raises(
        UnavailableError, match=r"slot process \d+ ended with exit code 7 before it was ready"
    ):
        Processes(2).__enter__()
    assert set() == children()


class Interrupted:
    """A socket that Ctrl-C comes to when everything has been sent."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    def sendall(self, data: bytes) -> None:
        self._control.sendall(data)
        raise KeyboardInterrupt

    def recv(self, size: int) -> bytes:
        return self._control.recv(size)


def test_an_interrupt_while_orders_are_sent_leaves_none_to_be_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tasks = batch("grayscale", "numpy", 5)
    with Processes(1) as strategy:
        (slot,) = strategy._slots
        with monkeypatch.context() as patched:
            patched.setattr(slot, "_control", Interrupted(slot._control))
            with pytest.raises(KeyboardInterrupt):
                outcomes_of(strategy, tasks)
        assert strategy._slots == [slot]
        check(strategy, tasks)


DIES_WHEN_IT_TELLS = """
import os, sys
from orchestrator.strategies.processes import slot_program

slot_program.Answers.send = lambda answers, compute_s: answers.held and os._exit(9)
slot_program.main(*map(int, sys.argv[1:]))
"""


def test_tasks_whose_slots_die_telling_of_them_are_lost_in_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "dies.py"
    program.write_text(DIES_WHEN_IT_TELLS)
    monkeypatch.setattr(slot_program, "__file__", str(program))
    with Processes(1) as strategy:
        outcomes = outcomes_of(strategy, batch("grayscale", "numpy", 3))
    assert sorted(outcome.task_id for outcome in outcomes) == [0, 1, 2]
    for outcome in outcomes:
        assert outcome.status == "lost"
        assert "ended with exit code 9 once more before it told of this task" in str(outcome.failure)


ORCHESTRATOR = """
    import sys
    import numpy as np
    from orchestrator.strategies.processes import Processes
    from worker.contract import Task

    strategy = Processes(2).__enter__()
    small, large = (np.zeros((n, n, 3), np.uint8) for n in (2, 5000))
    tasks = [Task(i, "grayscale", "loop", small if i < 20 else large) for i in range(24)]
    outcomes = strategy.run(tasks)
    pids = {next(outcomes).slot.split(":")[1] for _ in range(20)}
    print(*(slot.pid for slot in strategy._slots), flush=True)
    next(outcomes)
"""


def python(*arguments: str, stdin: str = "") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(stdin)
    process.stdin.close()
    return process


def test_slots_end_in_the_middle_of_a_task_when_the_orchestrator_is_killed() -> None:
    process = python("-c", textwrap.dedent(ORCHESTRATOR))
    with process:
        assert process.stdout is not None
        slots = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        assert len(slots) == 2
        process.kill()
    _, alive = psutil.wait_procs(slots, timeout=END_S)
    assert alive == []


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


def test_a_slot_gives_numerical_libraries_one_thread_as_a_worker_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with Processes(1) as strategy:
        environment = psutil.Process(strategy._slots[0].pid).environ()
    assert (environment["OMP_NUM_THREADS"], environment["OPENBLAS_NUM_THREADS"]) == ("1", "1")


def test_a_slot_loads_what_a_worker_needs_and_no_more() -> None:
    with Processes(1) as strategy:
        check(strategy, batch("grayscale", "numpy", 1))
        (pid,) = children()
        mapped = Path(f"/proc/{pid}/maps")
        if not mapped.exists():
            pytest.skip("needs /proc")
        libraries = mapped.read_text()
    assert "/numpy/" in libraries
    assert "/scipy/" not in libraries
    assert "/tornado/" not in libraries


def test_the_same_picture_with_another_kernel_or_stage_is_another_order() -> None:
    (task,) = batch("grayscale", "numpy", 1)
    with Processes(1) as strategy:
        check(strategy, [task])
        for stage, kernel, why in (
            ("grayscale", "none", "grayscale has no kernel 'none'"),
            ("none", "none", "there is no stage 'none'"),
        ):
            (outcome,) = outcomes_of(strategy, [replace(task, stage=stage, kernel=kernel)])
            assert outcome.failure is not None
            assert outcome.failure.message.startswith(why)


@pytest.mark.parametrize(("processors", "no_hurry"), [(2, 0), (1, 1)])
def test_a_slot_hurries_with_its_last_answers_where_the_orchestrator_has_a_processor_to_itself(
    monkeypatch: pytest.MonkeyPatch, processors: int, no_hurry: int
) -> None:
    monkeypatch.setattr("orchestrator.strategies.processes.strategy.usable_cpus", lambda: processors)
    with Processes(1) as strategy:
        check(strategy, batch("grayscale", "numpy", 3))
        assert [slot._inputs.mapping[NO_HURRY] for slot in strategy._slots] == [no_hurry]


def alike(count: int) -> list[Task]:
    return [replace(task, id=number) for number, task in enumerate(batch("grayscale", "numpy", 1) * count)]


def stopped_with(tasks: Iterable[Task], strategy: Processes) -> SlotProcess:
    """The only slot, which stands still and has tasks, of which it is to tell together in the end."""
    (slot,) = strategy._slots
    os.kill(slot.pid, signal.SIGSTOP)
    for task in tasks:
        slot.send(task)
    slot.flush(no_hurry=True)
    return slot


def test_half_of_what_waits_is_taken_back_at_a_time_the_last_first() -> None:
    tasks = batch("grayscale", "numpy", 6)
    with Processes(1) as strategy:
        slot = stopped_with(tasks, strategy)
        slot._inputs.mapping[2 * slot._flying[0].number] = 1  # begun, for all that we see
        taken = [[task.id for task in slot.take_back()] for _ in range(4)]
        assert taken == [[3, 4, 5], [2], [1], []]
        slot._inputs.mapping[2 * slot._flying[0].number] = 0
        os.kill(slot.pid, signal.SIGCONT)
        outcomes = []
        while len(slot):
            outcomes += chain.from_iterable(slot.receive())
    assert [outcome.task_id for outcome in outcomes] == [0]


@pytest.mark.parametrize("count", [1, 4], ids=["alone", "among others, told together"])
def test_a_task_begun_just_when_it_is_asked_back_is_done_once(count: int) -> None:
    tasks = alike(count)
    with Processes(1) as strategy:
        slot = stopped_with(tasks, strategy)
        asked = slot._flying[count // 2]
        slot._inputs.mapping[2 * asked.number + 1] = 1  # asked back, but begun for all that we saw
        os.kill(slot.pid, signal.SIGCONT)
        outcomes: list[Outcome] = []
        while len(slot):
            outcomes += chain.from_iterable(strategy._hear(deque()))
    check_outputs(outcomes, tasks)
    assert sorted(outcome.task_id for outcome in outcomes) == [task.id for task in tasks]


def test_nothing_is_heard_of_tasks_that_nobody_waits_for_among_others_told_together() -> None:
    tasks = alike(5)
    with Processes(1) as strategy:
        slot = stopped_with(tasks, strategy)
        for lane in (slot._flying[0], slot._flying[3]):
            lane.task = None
        os.kill(slot.pid, signal.SIGCONT)
        rows = []
        while len(slot):
            rows += strategy._hear(deque())
    outcomes = [*chain.from_iterable(rows)]
    check_outputs(outcomes, tasks)
    assert [outcome.task_id for outcome in outcomes] == [1, 2, 4]
    assert sum(map(len, rows)) == 3
