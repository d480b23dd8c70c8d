"""The result file: written whole, read back, and refused in one line if it is not a result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator import results
from orchestrator.commands.execute import exit_code
from orchestrator.errors import UsageError
from tests.examples import example_run


def test_a_run_that_is_written_and_read_is_the_same_run(tmp_path):
    run = example_run()
    path = tmp_path / results.file_name(run)
    results.write(run, path)
    again = results.read(path)
    assert replace(again, plan=replace(again.plan, cells=())) == replace(
        run, plan=replace(run.plan, cells=())
    )
    assert again.plan.cells == run.plan.cells
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_write_that_is_interrupted_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        results.write(example_run(), tmp_path / "result.json")
    assert list(tmp_path.iterdir()) == []


def test_the_file_has_the_shape_of_schema_2():
    document = results.to_json(example_run())
    assert document["schema"] == 2
    assert {
        "id",
        "command",
        "started_at",
        "finished_at",
        "complete",
        "environment",
        "plan",
        "preflight",
        "cells",
        "verdicts",
    } <= set(document)
    cell = document["cells"][0]
    assert {
        "stage",
        "kernel",
        "strategy",
        "slots",
        "transport",
        "chunk",
        "data",
        "startup_s",
        "verified",
        "samples",
        "makespan_s",
        "throughput_per_s",
        "speedup",
        "failures",
    } <= set(cell)
    assert {
        "round",
        "makespan_s",
        "tasks",
        "ok",
        "failed",
        "lost",
        "duplicated",
        "slots_seen",
        "hops",
    } <= set(cell["samples"][0])
    assert {"point", "low", "high", "level"} == set(cell["makespan_s"])
    assert {"stage", "verdict", "celery", "versus", "ratio", "bound", "reason"} <= set(
        document["verdicts"][0]
    )
    assert (cell["transport"], cell["chunk"], cell["data"]) == (None, None, None)


def test_nothing_in_the_file_is_nan():
    json.loads(results.dumps(example_run()), parse_constant=lambda name: pytest.fail(f"{name} in the result"))


def test_an_incomplete_run_without_samples_is_written_too():
    run = example_run()
    bare = replace(
        run,
        complete=False,
        finished_at=None,
        cells=tuple(replace(result, samples=()) for result in run.cells),
    )
    document = json.loads(results.dumps(bare))
    assert (document["complete"], document["finished_at"]) == (False, None)
    assert {cell["verified"] for cell in document["cells"]} == {None}
    assert {cell["makespan_s"] for cell in document["cells"]} == {None}


def test_celery_cells_of_schema_1_have_the_pool_that_was_the_only_one():
    document = results.to_json(example_run())
    document["schema"] = 1
    for cell in document["cells"]:
        for name in ("pool", "style", "work_s"):
            del cell[name]
    cells = [result.cell for result in results.from_json(document).cells]
    assert {cell.pool for cell in cells if cell.distributed} == {"prefork"}
    assert {cell.pool for cell in cells if not cell.distributed} == {None}
    assert {cell.style for cell in cells} == {"tuned"}


def test_what_was_concluded_is_not_read_back():
    document = results.to_json(example_run())
    document["verdicts"] = "forged"
    document["cells"][0]["makespan_s"] = {"point": 1e-9}
    assert results.to_json(results.from_json(document)) == results.to_json(example_run())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not a result file"),
        ("{", "is not a result file"),
        ("[1, 2]", "it has no schema number"),
        ('{"schema": "1"}', "it has no schema number"),
        ('{"schema": 99}', "use a newer release"),
        ('{"schema": 1}', "not a whole result"),
        ('{"schema": 1, "plan": {}, "cells": [{}]}', "not a whole result"),
        ('{"schema": 1, "plan": {}, "cells": 5}', "not a whole result"),
        ("[" * 100_000, "is not a result file"),
        ("\x00\xff", "is not a result file"),
    ],
)
def test_anything_else_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "result.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError, match=message) as caught:
        results.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_result_that_is_cut_off_leads_to_copying_it_again(tmp_path):
    path = tmp_path / "cut.json"
    path.write_text(results.dumps(example_run())[:-100])
    with pytest.raises(
        UsageError, match=r"cut\.json is not a result file: it is cut off or damaged .*; copy it"
    ):
        results.read(path)


def test_the_page_beside_a_result_leads_to_the_result(tmp_path):
    path = tmp_path / "run.html"
    path.write_text("<!doctype html>\n<html>")
    with pytest.raises(UsageError, match=r"it is the page .*; give \S*/run\.json"):
        results.read(path)


def test_a_missing_file_is_named(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)  # where no results/ has one that could be meant
    with pytest.raises(UsageError, match=r"none\.json cannot be read: No such file or directory$"):
        results.read(tmp_path / "none.json")


@pytest.mark.parametrize("given", ["none.json", "results/none.json", "results"])
def test_a_missing_file_leads_to_the_newest_result(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    older = replace(example_run(), started_at="2025-12-31T23:59:59.000Z", id="ffffffff")
    for run in (example_run(), older):
        results.write(run, Path("results") / results.file_name(run))
    with pytest.raises(UsageError, match=r"the newest result is results/20260102T030405Z-0123abcd\.json$"):
        results.read(Path(given))


def test_an_unwritable_folder_is_named_and_nothing_is_left_there(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UsageError, match="choose another --output"):
        results.write(example_run(), file / "result.json")
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_from_before_events_had_cells_is_read():
    document = json.loads(results.dumps(example_run()))
    for row in (*document["cells"], *document["environment"]["workers"]):
        del row["events"]
    again = results.from_json(document)
    assert {cell.cell.events for cell in again.cells} == {None}
    assert {worker.events for worker in again.environment.workers} == {None}


def upset_run():
    """Return the example, with the third sample of its first cell disturbed and taken again."""
    run = example_run()
    first, *others = run.cells
    disturbed = replace(first.samples[2], disturbed="worker a died", lost=1, ok=7, at_s=1.5)
    return replace(run, cells=(replace(first, disturbed=(disturbed,)), *others))


def test_disturbed_samples_are_among_the_others_in_the_file_and_apart_in_the_run(tmp_path):
    run = upset_run()
    results.write(run, tmp_path / "r.json")
    document = json.loads((tmp_path / "r.json").read_text())
    assert [(s["round"], s["disturbed"]) for s in document["cells"][0]["samples"]][2:4] == [
        (2, "worker a died"),
        (2, None),
    ]
    again = results.read(tmp_path / "r.json")
    assert again.cells[0].samples == run.cells[0].samples
    assert again.cells[0].disturbed == run.cells[0].disturbed


def test_disturbed_samples_change_no_figure():
    plain, upset = results.to_json(example_run()), results.to_json(upset_run())
    figures = ("makespan_s", "throughput_per_s", "speedup", "speedup_versus_best")
    for before, after in zip(plain["cells"], upset["cells"], strict=True):
        assert [before[name] for name in figures] == [after[name] for name in figures]
    assert plain["verdicts"] == upset["verdicts"]


def test_a_file_from_before_samples_could_be_disturbed_is_read(tmp_path):
    document = results.to_json(example_run())
    for cell in document["cells"]:
        for sample in cell["samples"]:
            del sample["disturbed"]
    (tmp_path / "old.json").write_text(json.dumps(document))
    again = results.read(tmp_path / "old.json")
    assert [len(each.samples) for each in again.cells] == [7, 7, 7, 7]
    assert not any(each.disturbed for each in again.cells)


def test_a_task_that_was_lost_in_a_disturbed_sample_makes_the_exit_code_1():
    assert exit_code(example_run()) == 0
    assert exit_code(upset_run()) == 1


def test_a_task_that_ended_twice_in_a_disturbed_sample_does_not():
    run = example_run()
    first, *others = run.cells
    twice = replace(first.samples[2], disturbed="a task was done twice", duplicated=1)
    assert exit_code(replace(run, cells=(replace(first, disturbed=(twice,)), *others))) == 0


@pytest.mark.parametrize(
    ("ours", "mode", "writable"), [(True, 0o775, 0), (False, 0o775, 2), (False, 0o1777, 0)]
)
def test_a_folder_made_in_another_users_folder_can_be_emptied_by_that_user(
    monkeypatch, tmp_path, ours, mode, writable
):
    tmp_path.chmod(mode)
    if not ours:
        monkeypatch.setattr(results.os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    results.make_folder(tmp_path / "charts" / "may")
    for folder in (tmp_path / "charts", tmp_path / "charts" / "may"):
        assert folder.stat().st_mode & 0o002 == writable
