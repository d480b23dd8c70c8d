"""Verdicts as the terminal has them."""

from __future__ import annotations

import io
from dataclasses import replace

from orchestrator.model.findings import Estimate, Verdict
from orchestrator.model.runs import Cell
from orchestrator.phrases.verdicts import verdict_lines
from orchestrator.reports.console import screen

CELERY = Cell("decode", "asarray", "celery", 2, "redis", 4, "local")
THREADS = Cell("decode", "asarray", "threads", 2)
SERIAL = Cell("decode", "asarray", "serial", 1)
SLOWER = Verdict(
    "decode", "hurts", "best in-process", CELERY, THREADS, Estimate(1.5, 1.25, 1.75, 0.94), "It took longer"
)
FASTER = Verdict("decode", "helps", "serial", CELERY, SERIAL, Estimate(0.5, 0.4, 0.8, 0.95), "It was faster")


def shown(*verdicts: Verdict) -> list[str]:
    text = io.StringIO()
    for part in verdict_lines(verdicts):
        screen(text, 80, colour=False).print(part)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def test_each_baseline_has_a_line_under_its_stage() -> None:
    assert shown(SLOWER, FASTER) == [
        "Verdicts on Celery's best cell of each stage (94 to 95 % intervals)",
        "decode: Celery with asarray on 2 slots (redis, chunk 4)",
        "  hurts 1.50 times as long as threads with asarray on 2 slots (1.25 to 1.75)",
        "  helps 2.00 times as fast as serial with asarray (1.25 to 2.50)",
    ]


def test_where_serial_is_the_best_in_process_cell_it_is_told_once() -> None:
    assert len(shown(replace(FASTER, against="best in-process"), FASTER)) == 3


def test_what_is_not_decided_is_told_with_its_reason() -> None:
    lines = shown(replace(SLOWER, verdict="inconclusive", reason="Too wide; about 9 more rounds would do"))
    assert lines[-1] == "  inconclusive Too wide; about 9 more rounds would do"


def test_a_stage_without_a_celery_cell_has_its_reason_alone() -> None:
    unmeasured = Verdict("decode", "invalid", "serial", None, None, None, "Every sample was disturbed")
    assert shown(unmeasured) == [
        "Verdicts on Celery's best cell of each stage",
        "decode",
        "  invalid Every sample was disturbed",
    ]


def test_nothing_is_said_where_nothing_was_judged() -> None:
    assert shown() == []
