"""Every fault of the catalogue: each task ends once, the sample says what befell it, and nothing is left."""

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


class Places:
    """Keeps the place of one fault for the next one, if that happens there too."""

    def __init__(self) -> None:
        self._open: AbstractContextManager[Any] | None = None
        self._kind: Callable[[], AbstractContextManager[Any]] | None = None
        self._place: Any = None

    def at(self, kind: Callable[[], AbstractContextManager[Any]]) -> Any:
        """The place of that kind."""
        if self._kind is not kind:
            self.leave()
            self._open, self._kind = kind(), kind
            self._place = self._open.__enter__()
        return self._place

    def leave(self) -> None:
        """Put the place away."""
        opened, self._open, self._kind = self._open, None, None
        if opened is not None:
            opened.__exit__(None, None, None)


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    kept = Places()
    yield kept
    kept.leave()


def check(fault: Fault, made: Trial) -> None:
    """What holds of every fault, and what was said of this one."""
    assert made.unexpected == 0, made
    assert made.ok + made.failed + made.lost == made.attempted, made
    assert made.exit_code == fault.exit_code or (fault.loses and made.exit_code == 1 and made.lost), made
    assert fault.loses or not made.lost, made
    assert fault.repeats or not made.duplicated, made
    assert made.disturbed == bool(fault.says) or fault.says == ".*", made
    assert re.search(fault.says, made.said), made
    assert made.left == (), made


@pytest.mark.parametrize(
    "fault", [pytest.param(each, id=each.happen.__name__) for each in FAULTS if each.quick]
)
def test_every_task_ends_once_and_what_is_disturbed_says_so(fault: Fault, places: Places) -> None:
    check(fault, fault.happen(places.at(fault.place)))


@pytest.mark.slow_fault
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", [pytest.param(each, id=each.happen.__name__) for each in FAULTS])
def test_the_same_holds_again_and_again(fault: Fault) -> None:
    for _ in range(SLOW_TIMES):
        with fault.place() as place:  # one of its own: a run starts its workers anew a few times only
            check(fault, fault.happen(place))
