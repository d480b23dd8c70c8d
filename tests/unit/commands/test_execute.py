"""What the measuring commands print beside the report, and what they keep of an interrupted run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator import results, signals
from orchestrator.commands import execute
from orchestrator.commands.execute import exit_code, run_and_report
from orchestrator.errors import NothingMeasuredError, UsageError
from orchestrator.measurement import session
from orchestrator.model.runs import Run
from orchestrator.planning.options import Options
from orchestrator.planning.plan import resolve
from tests.examples import example_run

ENDED = replace(example_run(), complete=False, finished_at=None)
EMPTY = replace(ENDED, cells=tuple(replace(each, samples=()) for each in ENDED.cells), loads=())


def interrupted_after(monkeypatch: pytest.MonkeyPatch, *saved: Run) -> Callable[[Path], None]:
    """Return a command, given its folder, that is interrupted once these runs are saved."""

    @contextmanager
    def measured(options: Any, source: Any, watcher: Any, save: Any) -> Iterator[Run]:
        for run in saved:
            save(run)
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(session, "measured", measured)
    return lambda folder: run_and_report(Options(output=str(folder)))  # type: ignore[return-value]


@pytest.mark.parametrize("saved", [(), (EMPTY,)], ids=["no run", "no sample"])
def test_an_interruption_before_the_first_sample_leaves_no_file(monkeypatch, tmp_path, saved):
    with pytest.raises(
        NothingMeasuredError, match="interrupted before anything was measured; nothing was saved"
    ):
        interrupted_after(monkeypatch, *saved)(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_later_interruption_shows_the_rounds_saved_and_the_verdicts(monkeypatch, tmp_path, capsys):
    run = replace(ENDED, plan=replace(ENDED.plan, rounds=49))
    with pytest.raises(KeyboardInterrupt):
        interrupted_after(monkeypatch, run)(tmp_path)
    shown, notes = capsys.readouterr()
    path = tmp_path / results.file_name(run)
    assert "7 of 49 rounds saved\n" in notes
    assert f"incomplete result: {path}\nincomplete report: {path.with_suffix('.html')}\n" in notes
    assert "hurts" in shown
    assert {each.name for each in tmp_path.iterdir()} == {path.name, path.with_suffix(".html").name}


def test_an_interruption_in_the_first_round_saves_a_part_of_it(monkeypatch, tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        interrupted_after(monkeypatch, replace(ENDED, loads=()))(tmp_path)
    assert "part of the first of 7 rounds saved\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("loads", "planned", "said"),
    [
        (7, {"rounds": 5, "axis": "work", "extra_rounds": 5}, "7 rounds saved"),
        (2, {"rounds": 3, "searched": True}, "2 rounds saved"),
        (1, {"rounds": 3, "searched": True}, "1 round saved"),
        (0, {"rounds": 3, "searched": True}, "part of the first round saved"),
        (1, {"rounds": 1}, "1 of 1 round saved"),
    ],
)
def test_rounds_are_saved_out_of_a_total_only_where_one_is_known(
    monkeypatch, tmp_path, capsys, loads, planned, said
):
    run = replace(ENDED, plan=replace(ENDED.plan, **planned), loads=ENDED.loads[:loads])
    monkeypatch.setattr(execute, "_report", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        interrupted_after(monkeypatch, run)(tmp_path)
    assert capsys.readouterr().err == f"\n{said}\n"


@pytest.mark.parametrize("where", ["show", "_write_page"])
def test_an_interrupted_report_leads_to_the_command_that_makes_it(monkeypatch, tmp_path, capsys, where):
    def pressed_again(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(execute, where, pressed_again)
    with pytest.raises(KeyboardInterrupt):
        interrupted_after(monkeypatch, ENDED)(tmp_path)
    path = tmp_path / results.file_name(ENDED)
    remedy = f"orchestrator report {path} --format html --output {path.with_suffix('.html')}"
    assert f"report not written; '{remedy}' makes it\n" in capsys.readouterr().err
    assert not results.read(path).complete


def test_pressing_ctrl_c_again_does_not_break_the_writing_of_the_result(monkeypatch, tmp_path):
    write = results.write

    def pressed_while_writing(*arguments: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        write(*arguments)

    run_it = interrupted_after(monkeypatch, ENDED)
    monkeypatch.setattr(execute.Saver, "__call__", lambda self, run: setattr(self, "last", run))
    monkeypatch.setattr(execute.results, "write", pressed_while_writing)
    with pytest.raises(KeyboardInterrupt):
        run_it(tmp_path)
    assert results.read(tmp_path / results.file_name(ENDED)).cells == ENDED.cells


def test_an_interruption_of_the_last_writing_still_saves_and_shows_the_run(monkeypatch, tmp_path, capsys):
    run, write, calls = example_run(), results.write, []

    @contextmanager
    def measured(options: Any, source: Any, watcher: Any, save: execute.Saver) -> Iterator[Run]:
        save.last = run  # which is not written yet
        yield run

    def pressed_at_first(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            raise KeyboardInterrupt
        write(*arguments)

    monkeypatch.setattr(session, "measured", measured)
    monkeypatch.setattr(execute.results, "write", pressed_at_first)
    with pytest.raises(KeyboardInterrupt):
        run_and_report(Options(output=str(tmp_path)))
    shown, notes = capsys.readouterr()
    path = tmp_path / results.file_name(run)
    assert f"7 of 7 rounds saved\nresult: {path}\nreport: {path.with_suffix('.html')}\n" in notes
    assert "hurts" in shown
    assert results.read(path).complete


def test_signals_work_again_after_they_were_ignored():
    found = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with signals.ignored():
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, found)


def test_pictures_of_the_source_that_are_left_out_are_mentioned_once(monkeypatch, tmp_path, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in (*(f"{number}.jpg" for number in range(10)), "notes.txt"):
        (pictures / name).touch()

    @contextmanager
    def measured(options: Any, source: Any, watcher: Any, save: Any) -> Iterator[Run]:
        resolve(options, source, None, watcher.note)
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(session, "measured", measured)
    options = Options(stages=("download",), source=str(pictures), images=8, output=str(tmp_path / "results"))
    with pytest.raises(NothingMeasuredError):
        run_and_report(options)
    assert capsys.readouterr().err.splitlines() == [
        f"orchestrator: source {pictures}: skipped 1 file that is no picture",
        f"orchestrator: source {pictures}: using 8 of its 10 pictures; --images 10 uses all",
    ]


def test_a_row_without_an_undisturbed_sample_makes_the_exit_code_1():
    run = example_run()
    assert exit_code(run) == 0
    first, *others = run.cells
    disturbed = tuple(replace(sample, disturbed="worker w1 gave no answer") for sample in first.samples)
    assert exit_code(replace(run, cells=(replace(first, samples=(), disturbed=disturbed), *others))) == 1
    some = replace(first, samples=first.samples[1:], disturbed=disturbed[:1])
    assert exit_code(replace(run, cells=(some, *others))) == 0


def test_the_end_repeats_where_flower_is_and_how_to_read_its_password(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("BREAKEVEN_FLOWER_LINK", "http://127.0.0.1:5556")
    monkeypatch.setattr(execute, "_write_page", lambda *_: None)
    execute._report(ENDED, replace(Options(), output=str(tmp_path)))
    assert capsys.readouterr().err.splitlines()[-1] == (
        "Flower: http://127.0.0.1:5556 (user breakeven, password: docker compose exec flower cat /flower/password)"
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "--json is empty; name a file"),
        (".", r"--json \. is a folder; name a file"),
        ("results", "--json results is a folder; name a file"),
        ("pipe", "--json pipe is not a regular file; name another"),
        ("a" * 300, "cannot be written to: File name too long; name another"),
    ],
)
def test_a_json_file_that_cannot_be_written_is_refused_before_anything_starts(
    monkeypatch, tmp_path, given, says
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    os.mkfifo(tmp_path / "pipe")
    interrupted_after(monkeypatch, ENDED)  # which ends otherwise
    with pytest.raises(UsageError, match=says):
        run_and_report(Options(json=given))


def test_the_answer_is_shown_although_the_json_file_cannot_be_written_any_more(tmp_path, capsys):
    (tmp_path / "r.json").mkdir()
    options = replace(Options(), output=str(tmp_path), json=str(tmp_path / "r.json"))
    with pytest.raises(UsageError, match=r"the result cannot be written to .*r\.json"):
        execute._report(ENDED, options)
    shown, notes = capsys.readouterr()
    assert "hurts" in shown
    assert f"result: {tmp_path / results.file_name(ENDED)}" in notes
