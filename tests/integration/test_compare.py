"""`compare` as users meet it: exit codes, refusals, and what goes to which stream."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator import results
from orchestrator.model.runs import Run
from tests.command_line import orchestrator
from tests.unit.analysis.made_runs import REDIS, THREADS, run_at, run_of_kernels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Result files of runs that differ in one thing each."""
    runs: dict[str, Run] = {
        "old": run_of_kernels(),
        "slower": run_of_kernels({REDIS: 1.3}),
        "faster": run_of_kernels({REDIS: 0.7}),
        "other": run_at({replace(THREADS, slots=7): 1.0}),
    }
    for name, run in runs.items():
        results.write(run, tmp_path / f"{name}.json")
    document = json.loads((tmp_path / "old.json").read_text())
    document["environment"]["python"] = "3.14.0"
    (tmp_path / "elsewhere.json").write_text(json.dumps(document))
    document["plan"]["images"] = 9
    (tmp_path / "more.json").write_text(json.dumps(document))
    document["cells"][0]["samples"][0]["makespan_s"] = -1.0
    (tmp_path / "negative.json").write_text(json.dumps(document))
    (tmp_path / "no-json.json").write_text("{")
    (tmp_path / "no-result.json").write_text('{"schema": 1}')
    (tmp_path / "list.json").write_text("[]")
    return tmp_path


@pytest.mark.parametrize(("new", "code"), [("old", 0), ("faster", 0), ("slower", 1)])
def test_only_a_regression_exits_1(folder: Path, new: str, code: int) -> None:
    done = orchestrator("compare", "old.json", f"{new}.json", cwd=folder)
    assert (done.returncode, done.stderr) == (code, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout


def test_json_is_the_document_and_nothing_else(folder: Path) -> None:
    done = orchestrator("compare", "old.json", "slower.json", "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert [each["change"] for each in json.loads(done.stdout)["changes"]][:3] == [
        "same",
        "same",
        "regression",
    ]
    assert (
        orchestrator("compare", "old.json", "slower.json", "--format", "json", cwd=folder).stdout
        == done.stdout
    )


def test_markdown_is_a_table(folder: Path) -> None:
    done = orchestrator("compare", "old.json", "slower.json", "--format", "markdown", cwd=folder)
    assert done.returncode == 1
    assert "| **regression** | grayscale | numpy | celery redis/4 | 2 |" in done.stdout


def test_another_version_is_refused_with_the_remedy_that_then_works(folder: Path) -> None:
    refused = orchestrator("compare", "old.json", "elsewhere.json", cwd=folder)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Python 3.13.1 and 3.14.0" in refused.stderr
    assert "use --across" in refused.stderr
    done = orchestrator("compare", "old.json", "elsewhere.json", "--across", cwd=folder)
    assert done.returncode == 0
    assert "across: Python 3.13.1 and 3.14.0" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["old.json", "none.json"], "No such file"),
        (["none.json", "old.json"], "No such file"),
        (["old.json", "."], "cannot be read"),
        (["old.json", "no-json.json"], "is not a result file"),
        (["old.json", "no-result.json"], "not a whole result"),
        (
            ["old.json", "negative.json"],
            "makespan_s: Input should be greater than or equal to 0.000000001, not -1.0",
        ),
        (["old.json", "list.json"], "not a result of Breakeven"),
        (["old.json", "more.json", "--across"], "did not do the same work (images 8 and 9)"),
        (["old.json", "other.json"], "have no measured cell in common"),
        (["old.json", "old.json", "--format", "pdf"], "choose from terminal, markdown, json"),
        (["old.json", "old.json", "--json", "--format", "markdown"], "choose one"),
        (["old.json"], "Missing argument 'NEW'"),
    ],
)
def test_a_mistake_gets_one_line_and_exits_2(folder: Path, arguments: list[str], words: str) -> None:
    done = orchestrator("compare", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
