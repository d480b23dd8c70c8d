"""Before the clock starts: the batch reaches the process that calls the function, or the user reads why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.errors import UnavailableError
from orchestrator.measurement.function_process import LostProcessError
from orchestrator.measurement.function_trial import Trial
from orchestrator.model.runs import Cell, Function
from tests.unit.analysis.made_runs import run_of

FUNCTION = Function("jobs:f", "range(2)", 2, 2, 0.01, 0.0, 8, 8)
ATTEMPT = {"input": 1, "output": 2, "failure": None, "seconds": 0.01}


class DyingProcess:
    """A child that dies when it is given the batch, and perhaps again."""

    function = FUNCTION.name
    limit_s = 0.0

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths

    def set_batch(self, *given: object, **more: object) -> None:
        self.deaths -= 1
        raise LostProcessError("ended its process by SIGKILL, probably out of memory")

    def restart(self) -> None:
        if self.deaths:
            raise UnavailableError("jobs:f cost its process; started again, it ended its process by SIGKILL")


def trial(process: Any, attempt: dict[str, Any] = ATTEMPT) -> Trial:
    return Trial(process, FUNCTION, verified=True, attempts={0: attempt, 1: attempt})


def test_a_process_that_dies_with_the_first_batch_is_started_again() -> None:
    plan = replace(
        run_of().plan, images=2, cells=(Cell("function", "jobs:f", "serial", 1),), function=FUNCTION
    )
    process = DyingProcess(deaths=1)
    inputs = trial(process).inputs(plan, print)
    assert len(inputs.tasks(plan.cells[0])) == 2
    assert process.limit_s > 0

    with pytest.raises(UnavailableError, match="jobs:f cost its process"):
        trial(DyingProcess(deaths=2)).inputs(plan, print)


@pytest.mark.parametrize(
    ("serial_s", "limit_s"),
    [
        (0.02, 10.0),
        (2.0, 40.0),
        (20.0, 2 * 20.0 + 120.0),  # beyond the 120 s that one task may take
        (150.0, 2 * 150.0 + 120.0),
    ],
)
def test_a_batch_may_take_twice_its_serial_time_however_long_that_is(serial_s: float, limit_s: float) -> None:
    plan = replace(
        run_of().plan, images=2, cells=(Cell("function", "jobs:f", "serial", 1),), function=FUNCTION
    )
    process = DyingProcess(deaths=1)
    trial(process, {**ATTEMPT, "seconds": serial_s / plan.images}).inputs(plan, print)
    assert process.limit_s == limit_s
