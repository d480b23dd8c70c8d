"""The tasks of stage `spin`: as long as asked for, and each with its own output."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.inputs import spin
from orchestrator.inputs.workload import verify
from worker.execution import execute

SPEEDS = {"held": 10_000.0, "released": 1_000.0}


class Machine:
    """A clock that advances by what a kernel would take on a machine of known speed."""

    def __init__(self, iterations_per_s: float) -> None:
        self._per_s = iterations_per_s
        self._now_s = 0.0
        self.calls = 0

    def kernel(self, payload: str) -> str:
        self.calls += 1
        self._now_s += int(payload.split()[1]) / self._per_s
        return ""

    def clock(self) -> float:
        return self._now_s


@pytest.mark.parametrize("speed", [1e3, 1e5, 1e8])
def test_calibration_finds_the_speed_of_the_machine_in_a_few_calls(
    speed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(speed)
    kernels: dict[str, Callable[[str], str]] = {"held": machine.kernel}
    monkeypatch.setattr(spin, "STAGES", {"spin": type("Stage", (), {"kernels": kernels})})
    assert spin.iterations_per_s("held", machine.clock) == pytest.approx(speed)
    assert machine.calls < 15


@pytest.mark.parametrize(
    ("kernel", "payload"),
    [("held", "held 20 3"), ("released", "released 2 3"), ("waiting", "waiting 0.002000000 3")],
)
def test_a_batch_has_the_calibrated_amount_and_an_output_a_task(kernel: str, payload: str) -> None:
    batch = spin.spin_workload(kernel, 0.002, 5, SPEEDS)
    tasks = batch.tasks("spin", kernel)
    assert (len(tasks), tasks[3].payload) == (5, payload)
    expected = batch.expected["spin"]
    assert len({str(each) for each in expected.values()}) == 5
    assert all(verify(expected[task.id], execute(task)) for task in tasks)
