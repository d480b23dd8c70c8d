"""Every fault of the catalogue: each task ends once, the sample names the disturbance, and nothing is left behind."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.faults.catalogue import FAULTS, Fault
from tests.faults.trial import Trial

SLOW_TIMES = int(os.environ.get("FAULT_TIMES", "10"))


class SetUps:
    """Keeps the set-up of one fault open for the next one, if that needs the same."""

    def __init__(self) -> None:
        self._open: AbstractContextManager[Any] | None = None
        self._kind: Callable[[], AbstractContextManager[Any]] | None = None
        self._set_up: Any = None

    def get(self, kind: Callable[[], AbstractContextManager[Any]]) -> Any:
        """Return the open set-up of this kind, or open one."""
        if self._kind is not kind:
            self.close()
            self._open, self._kind = kind(), kind
            self._set_up = self._open.__enter__()
        return self._set_up

    def close(self) -> None:
        """Close the set-up."""
        opened, self._open, self._kind = self._open, None, None
        if opened is not None:
            opened.__exit__(None, None, None)


@pytest.fixture(scope="module")
def set_ups() -> Iterator[SetUps]:
    kept = SetUps()
    yield kept
    kept.close()


def check(fault: Fault, made: Trial) -> None:
    """Check what holds for every fault, and what the sample says about this one."""
    assert made.unexpected == 0, made
    assert made.ok + made.failed + made.lost == made.attempted, made
    assert made.exit_code == fault.exit_code or (fault.loses and made.exit_code == 1 and made.lost), made
    assert fault.loses or not made.lost, made
    assert fault.repeats or not made.duplicated, made
    assert made.disturbed == bool(fault.says) or fault.says == ".*", made
    assert re.search(fault.says, made.said), made
    assert made.left == (), made


@pytest.mark.parametrize(
    "fault", [pytest.param(each, id=each.inject.__name__) for each in FAULTS if each.quick]
)
def test_every_task_ends_once_and_the_sample_names_the_disturbance(fault: Fault, set_ups: SetUps) -> None:
    check(fault, fault.inject(set_ups.get(fault.set_up)))


@pytest.mark.slow_fault
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", [pytest.param(each, id=each.inject.__name__) for each in FAULTS])
def test_the_same_holds_again_and_again(fault: Fault) -> None:
    for _ in range(SLOW_TIMES):
        with fault.set_up() as set_up:  # a new one each time: a run restarts its workers a few times only
            check(fault, fault.inject(set_up))
