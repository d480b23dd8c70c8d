"""Result files of the release before still render in every format, with the verdicts and ratios they had.

`tests/data/` has one of `run`, `scale` and `breakeven` each, written by that release.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator import results
from orchestrator.analysis.analyse import analyse
from orchestrator.reports import PICTURES, REPORTS

DATA = Path(__file__).parents[2] / "data"
COMMANDS = ("run", "scale", "breakeven")
FIGURES = {  # what that release printed: Celery's makespan over the baseline's
    "run": ("7.93", "53.4", "49.9"),  # one opponent of decode, which it told twice: as 8.09 too
    "scale": ("90.7", "78.5"),
    "breakeven": ("172", "4.19", "128", "4.23"),
}
CONCLUDED = ("makespan_s", "throughput_per_s", "speedup", "speedup_versus_best")


def estimates(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every estimate that a file concludes, by its place."""
    for number, cell in enumerate(document["cells"]):
        for name in CONCLUDED:
            yield f"{number}.{name}", cell[name]
    yield "noise_floor", document["noise_floor"]
    for number, verdict in enumerate(document["verdicts"]):
        yield f"verdict {number}", verdict["ratio"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_verdict_of_an_older_result_stays(command):
    path = DATA / f"{command}.json"
    before, now = json.loads(path.read_text()), results.to_json(results.read(path))
    same = ("stage", "verdict", "against")
    assert [[each[name] for name in same] for each in now["verdicts"]] == [
        [each[name] for name in same] for each in before["verdicts"]
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_figure_of_an_older_result_stays_within_an_interval_no_narrower(command):
    path = DATA / f"{command}.json"
    before = dict(estimates(json.loads(path.read_text())))
    now = dict(estimates(results.to_json(results.read(path))))
    assert before.keys() == now.keys()
    for name, was in before.items():
        assert (now[name] is None) == (was is None), name
        if was is None:
            continue
        assert now[name]["point"] == pytest.approx(was["point"], rel=1e-4), name
        assert (now[name]["level"] is None) == (was["level"] is None), name
        if was["level"] is not None:  # intervals of today allow for rounds that depend on each other
            assert now[name]["low"] <= was["low"] * 1.0001, name
            assert now[name]["high"] >= was["high"] / 1.0001, name
            assert now[name]["level"] >= 0.95, name


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["terminal", "markdown", "html"])
def test_every_report_of_an_older_result_has_its_figures(command, name):
    run = results.read(DATA / f"{command}.json")
    more = {"table": True} if name == "terminal" else {}
    text = REPORTS[name](run, analyse(run), **more)
    assert [figure for figure in FIGURES[command] if figure not in text] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_picture_and_table_of_an_older_result_is_made(command):
    run = results.read(DATA / f"{command}.json")
    findings = analyse(run)
    assert len(REPORTS["csv"](run, findings).splitlines()) == 1 + sum(len(each.taken) for each in run.cells)
    assert all(content.startswith(b"<svg") for content in PICTURES["svg"](run, findings).values())
