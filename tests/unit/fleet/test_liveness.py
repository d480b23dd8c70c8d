"""Which change of a worker two polls show."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.fleet.liveness import WorkerChange, WorkerStatus, changes

ANSWER = {"pid": 1, "identity": "a1", "slots": [7, 8], "tasks": []}


def status(**differences: Any) -> WorkerStatus:
    found = WorkerStatus.from_answer({**ANSWER, **differences})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ({"tasks": ["t"]}, []),
        ({"pid": 2}, [WorkerChange("worker w was restarted", still_consumes=False)]),
        ({"identity": "b2"}, [WorkerChange("worker w was restarted", still_consumes=False)]),
        ({"slots": [7, 9]}, [WorkerChange("a slot process of worker w was replaced", still_consumes=True)]),
    ],
    ids=["same", "restarted", "restarted in a container, with the same process ids", "slot replaced"],
)
def test_a_poll_tells_a_restart_from_the_loss_of_a_slot(
    differences: dict[str, Any], expected: list[WorkerChange]
) -> None:
    assert [*changes({"w": status()}, {"w": status(**differences)})] == expected
