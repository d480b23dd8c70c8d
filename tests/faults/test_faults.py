"""Every fault of the catalogue: each task ends once, the sample names the disturbance, and nothing is left behind."""

from __future__ import annotations

import os
import re

import pytest

from tests.faults.catalogue import FAULTS, Fault
from tests.faults.trial import Trial

TIMES = int(os.environ.get("FAULT_TIMES", "1"))


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


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.inject.__name__)
def test_every_task_ends_once_and_the_sample_names_the_disturbance(fault: Fault) -> None:
    for _ in range(TIMES):
        with fault.set_up() as set_up:  # a new one each time: a run restarts its workers a few times only
            check(fault, fault.inject(set_up))
