"""Runs under load, as every report shows them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator import results
from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.verdicts.regressions import compare
from orchestrator.commands.compare import compare as compare_command
from orchestrator.commands.execute import exit_code
from orchestrator.errors import UsageError
from orchestrator.model.runs import Objective
from orchestrator.phrases.headline import headline
from orchestrator.phrases.load import load_sentences
from orchestrator.reports import REPORTS, terminal
from orchestrator.reports.charts import draw_all
from orchestrator.reports.charts.load import draw as draw_load
from orchestrator.reports.comparison import COMPARISON_REPORTS
from tests.examples import CELERY, THREADS
from tests.load_examples import at_rate, load_run, sample, trace

PROMISE = Objective(0.95, 0.04)


def test_the_terminal_has_a_row_a_rate_within_80_columns():
    text = REPORTS["terminal"](load_run(), analyse(load_run()))
    assert max(map(len, text.splitlines())) <= 80
    rows = [line.split() for line in text.splitlines() if line.strip().startswith(("20/s ", "40/s "))]
    assert [(row[0], row[-1]) for row in rows] == [("20/s", "yes"), ("40/s", "yes")] * 2
    assert "mean latency at 40/s 50.0 ms" not in text  # the mean is of the trace
    assert "% computing" in text


def test_every_other_report_has_each_row():
    run = load_run(objective=PROMISE)
    for name in ("markdown", "html"):
        text = REPORTS[name](run, analyse(run))
        assert "20/s" in text
        assert "celery" in text
    lines = REPORTS["csv"](run, analyse(run)).splitlines()
    assert len(lines) == 1 + 3 * 2 * (200 + 400)
    assert lines[0].endswith("round,position,planned_us,sent_us,ended_us,service_us,lost")


def test_the_result_file_keeps_every_task_and_reads_it_again():
    run = load_run(objective=PROMISE)
    text = results.dumps(run)
    assert text.count("\n") < 2_000  # a list of times is a line
    assert results.from_json(results.json.loads(text)) == run
    (row, *_) = results.json.loads(text)["load"]
    assert (row["strategy"], row["rate_per_s"], row["offered"], row["sustained"]) == (
        "threads",
        20.0,
        600,
        True,
    )
    assert row["latency_s"]["p99"] is None
    assert 0.015 < row["latency_s"]["p95"]["point"] < 0.026


def test_a_missed_promise_makes_the_exit_code_1_and_is_in_the_headline():
    kept = load_run(at_rate(THREADS, 40.0, 0.02), objective=PROMISE)
    missed = load_run(objective=PROMISE)
    assert (exit_code(kept), exit_code(missed)) == (0, 1)
    assert headline(analyse(kept)).text == "p95 within 40.0 ms kept at 40/s"
    assert headline(analyse(missed)).text == "p95 within 40.0 ms kept: threads up to 40/s; not Celery"


def test_the_headline_tells_a_missed_promise_from_one_that_too_few_tasks_leave_open():
    missed = load_run(at_rate(THREADS, 40.0, 0.09), objective=PROMISE)
    assert headline(analyse(missed)).text == "Nothing keeps p95 within 40.0 ms"
    few = at_rate(THREADS, 10.0, 0.09, rounds=1)
    open_ = load_run(few, at_rate(THREADS, 40.0, 0.09), objective=PROMISE)
    assert headline(analyse(open_)).text == "No rate is known to keep p95 within 40.0 ms"


def test_a_search_misses_its_promise_only_if_no_rate_keeps_it():
    rates = (at_rate(THREADS, 20.0, 0.02), at_rate(THREADS, 40.0, 0.09))
    assert exit_code(load_run(*rates, objective=PROMISE)) == 1
    assert exit_code(load_run(*rates, objective=PROMISE, searched=True)) == 0
    assert exit_code(load_run(at_rate(CELERY, 20.0, 0.09), objective=PROMISE, searched=True)) == 1


def test_lost_tasks_and_disturbances_are_said_and_leave_the_latency_of_the_others():
    run = load_run(at_rate(CELERY, 40.0, 0.02, disturbed="the broker went away", lost=9))
    text = REPORTS["terminal"](run, analyse(run))
    assert "9 tasks lost" not in text.split("\n", maxsplit=1)[0]
    assert "27 tasks lost at 40/s" in text
    said = " ".join(text.split())
    assert "whether it sustains 40/s is not known, because tasks were lost: find out what broke" in said
    assert "more data" not in said
    assert exit_code(run) == 1
    (row,) = analyse(run).load
    assert row.latency_s[0.95] is not None
    assert row.sustained is None


def test_the_page_draws_latency_over_the_rate_with_the_promise_and_over_time_at_a_chosen_rate():
    run = load_run(objective=PROMISE)
    over_rate, over_time = draw_all(run, analyse(run))
    assert over_rate.name == "latency-grayscale"
    assert "p95 within 40.0 ms" in str(over_rate.spec)
    assert len(over_rate.rows) == 4
    assert [each["value"] for each in over_time.spec["params"]] == [40.0]
    assert {row[1] for row in over_time.rows} == {"20/s", "40/s"}


def test_rows_of_two_kernels_are_told_apart_in_charts_their_figures_and_the_headline():
    cells = [replace(THREADS, kernel=kernel) for kernel in ("asarray", "getdata")]
    run = load_run(*(at_rate(cell, rate, 0.02) for cell in cells for rate in (10.0, 20.0)))
    names = ["threads with asarray", "threads with getdata"]
    over_rate, over_time = draw_all(run, analyse(run))
    assert [row[0] for row in over_rate.rows] == names * 2
    assert sorted(row[:3] for row in over_time.rows) == [
        (name, rate, str(number)) for name in names for rate in ("10/s", "20/s") for number in (1, 2, 3)
    ]
    for chart in (over_rate, over_time):
        points = chart.spec["layer"][2]["encoding"]
        assert points["color"]["scale"]["domain"] == points["shape"]["scale"]["domain"] == names
        assert len(set(points["shape"]["scale"]["range"])) == 2
    said = headline(analyse(run))
    assert said.text == f"Sustained at 20/s by {' and '.join(names)}"
    assert all(f"grayscale by {name} at 20/s" in said.lead for name in names)


def test_compare_judges_p95_at_each_rate_that_both_runs_have():
    old = load_run()
    slower = load_run(at_rate(THREADS, 20.0, 0.03), at_rate(THREADS, 40.0, 0.02))
    found = {(each.cell.rate_per_s, each.quantile): each.change for each in compare(old, slower).latencies}
    assert found[20.0, 0.95] == "regression"
    assert found[40.0, 0.95] == "same"
    assert compare(old, slower).regression
    assert not compare(old, replace(old, id="4567cdef")).regression
    text = COMPARISON_REPORTS["terminal"](compare(old, slower), old, slower)
    assert "+50" in text
    assert "only in the old run: grayscale: Celery" in text
    assert "40/s" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_quantile_that_unfinished_tasks_may_hide_is_not_judged():
    planned_s = [number / 40 for number in range(400)]
    ends = [None if number < 19 else 0.02 for number in range(400)]
    hidden = replace(at_rate(THREADS, 40.0, 0.02), open_loops=(sample(trace(planned_s, ends)),))
    compared = compare(load_run(), load_run(hidden))
    (p95,) = [each for each in compared.latencies if each.quantile == 0.95]
    assert (p95.change, p95.ratio) == ("inconclusive", None)
    for report in COMPARISON_REPORTS.values():
        assert "nan" not in report(compared, load_run(), load_run(hidden))


def test_a_run_that_no_longer_keeps_up_is_a_regression_though_it_has_no_figure():
    planned_s = [number / 40 for number in range(400)]
    ends = [None if number >= 300 else 0.02 for number in range(400)]
    late = load_run(replace(at_rate(THREADS, 40.0, 0.02), open_loops=(sample(trace(planned_s, ends)),)))
    words = {
        each.quantile: each.change
        for each in compare(load_run(), late).latencies
        if each.cell.rate_per_s == 40.0
    }
    assert words[0.95] == "regression"
    assert compare(load_run(), late).regression
    assert not compare(late, load_run()).regression
    assert not compare(late, late).regression


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        ({"wrong": 1}, "lost or repeated tasks, or gave wrong outputs, in the new run"),
        ({"duplicated": 1}, "lost or repeated tasks, or gave wrong outputs, in the new run"),
        ({"lost": 1}, "lost more tasks in the new run"),
        ({"failed": 40, "ok": 360}, "did not fail the same share of tasks in both"),
    ],
)
def test_a_faster_run_with_wrong_repeated_lost_or_more_failed_outputs_is_invalid(counts, why):
    faster = at_rate(THREADS, 40.0, 0.01)
    faulty = load_run(
        replace(faster, open_loops=tuple(replace(each, **counts) for each in faster.open_loops))
    )
    compared = compare(load_run(), faulty)
    assert {(each.change, each.ratio) for each in compared.latencies} == {("invalid", None)}
    assert compared.regression
    for name in ("terminal", "markdown"):
        text = " ".join(COMPARISON_REPORTS[name](compared, load_run(), faulty).split())
        assert f"grayscale: threads 40/s {why}" in text


def test_samples_that_end_at_other_tasks_fail_nearly_the_same_share_which_is_no_difference():
    old, new = (at_rate(THREADS, 40.0, 0.02, failed=failed) for failed in (20, 21))
    compared = compare(load_run(old), load_run(new))
    assert {each.change for each in compared.latencies} == {"same"}


def test_compare_repeats_what_disturbed_an_open_loop_of_either_run():
    old = load_run()
    stalled = load_run(at_rate(THREADS, 40.0, 0.03, disturbed="the broker went away"))
    text = COMPARISON_REPORTS["terminal"](compare(old, stalled), old, stalled)
    assert "the new run was disturbed: 3 samples disturbed" in text


def test_a_slower_reference_loop_is_said_to_be_in_the_changes_of_latencies():
    old = load_run()
    slower = replace(old, loads=tuple(replace(each, reference_s=0.03) for each in old.loads), id="4567cdef")
    old = replace(old, loads=tuple(replace(each, reference_s=0.02) for each in old.loads))
    for report in COMPARISON_REPORTS.values():
        text = report(compare(old, slower), old, slower)
        assert "changes are counted from there" not in text
    heading = " ".join(COMPARISON_REPORTS["terminal"](compare(old, slower), old, slower).split())
    assert "The reference loop takes 1.50 times as long as before" in heading
    assert "the machine or its load changed; the changes of latencies include it" in heading


def test_runs_under_load_without_a_quantile_to_compare_are_refused_with_the_reason(tmp_path):
    path = str(tmp_path / "few.json")
    results.write(load_run(at_rate(THREADS, 4.0, 0.02, rounds=1)), tmp_path / "few.json")
    with pytest.raises(UsageError, match="have no p95 or p99, because too few tasks arrived"):
        compare_command(path, path)


def test_a_result_whose_times_are_not_of_the_same_tasks_is_refused():
    document = results.json.loads(results.dumps(load_run()))
    document["cells"][0]["samples"][0]["trace"]["ended_us"].pop()
    with pytest.raises(UsageError, match="the times of a trace are not of the same tasks"):
        results.from_json(document)


def test_a_result_whose_promise_is_of_another_quantile_is_refused():
    document = results.json.loads(results.dumps(load_run(objective=PROMISE)))
    document["plan"]["objective"]["quantile"] = 0.42
    with pytest.raises(UsageError, match="a promise is of a quantile that is shown"):
        results.from_json(document)


def test_a_promise_that_too_few_tasks_leave_open_is_said_to_be_open():
    run = load_run(at_rate(THREADS, 10.0, 0.09, rounds=1), objective=PROMISE)
    (promised, _) = load_sentences(analyse(run))
    assert promised.endswith(": too few tasks arrived to judge p95 within 40.0 ms at 10/s")


def test_a_promise_missed_by_lost_and_failed_tasks_says_so_beside_the_latency_of_the_others():
    planned_s = [number / 40 for number in range(400)]
    lost = trace(planned_s, [None] * 15 + [0.02] * 385, lost=range(15))
    result = replace(at_rate(THREADS, 40.0, 0.02), open_loops=(sample(lost, lost=15, failed=10),))
    run = load_run(result, objective=PROMISE)
    (promised, *_, gone) = load_sentences(analyse(run))
    assert promised.endswith("at 40/s (20.0 ms, but 25 of 400 tasks were lost or failed)")
    assert gone.endswith(": 10 tasks failed and 15 tasks lost at 40/s")
    assert headline(analyse(run)).text == "Nothing keeps p95 within 40.0 ms"
    assert exit_code(run) == 1


def test_an_interrupted_rate_is_neither_a_missed_promise_nor_a_regression():
    planned_s = [number / 40 for number in range(400)]
    ends = [0.02] * 370 + [None] * 30
    why = "interrupted, so it ended early"
    result = at_rate(THREADS, 40.0, 0.02)
    cut = load_run(
        replace(result, open_loops=(sample(trace(planned_s, ends), disturbed=why),)),
        objective=Objective(0.95, 1),
    )
    (promised, *_, gone) = load_sentences(analyse(cut))
    assert "whether it keeps p95 within 1.00 s at 40/s is not known: the tasks in flight" in promised
    assert gone.endswith(": 30 tasks in flight when it was interrupted at 40/s")
    assert headline(analyse(cut)).text == "No rate is known to keep p95 within 1.00 s"
    for sides in ((load_run(result), cut), (cut, load_run(result))):
        assert {each.change for each in compare(*sides).latencies} == {"inconclusive"}


def test_a_promise_that_depends_on_which_tasks_failed_is_said_to_be_unknown():
    planned_s = [number / 40 for number in range(400)]
    late = sample(trace(planned_s, [0.09] * 15 + [0.02] * 385), failed=10)
    run = load_run(replace(at_rate(THREADS, 40.0, 0.02), open_loops=(late,)), objective=PROMISE)
    (promised, *_) = load_sentences(analyse(run))
    assert (
        "whether it keeps p95 within 40.0 ms at 40/s depends on how many of the tasks that failed" in promised
    )


def test_what_is_said_of_a_row_stands_below_its_name_which_names_a_function_once():
    of_user = replace(THREADS, stage="function", kernel="jobs:fetch")
    run = load_run(at_rate(of_user, 20.0, 0.02), objective=PROMISE)
    text = terminal.render(run, analyse(run))
    assert "\njobs:fetch, threads, 2 slots:\n  keeps p95 within 40.0 ms at 20/s" in text


def test_a_chart_has_the_sentences_of_its_stage_and_each_rate_as_it_is():
    run = load_run(at_rate(THREADS, 15.0, 0.02), at_rate(THREADS, 60.0, 0.02))
    (over_rate,) = draw_load(run, analyse(run))
    assert over_rate.sentences == tuple(load_sentences(analyse(run))) != ()
    assert '"format": ",.6~r"' in json.dumps(over_rate.spec)  # ",~r" would round 15 to 20


def test_samples_too_short_for_an_interval_are_told_with_the_duration_that_would_give_one():
    result = at_rate(THREADS, 40.0, 0.1)  # for 10 s in each of 3 rounds
    busy = tuple(
        replace(each, trace=replace(each.trace, service_us=(40_000,) * len(each.trace.planned_us)))
        for each in result.open_loops
    )
    findings = analyse(load_run(replace(result, open_loops=busy)))  # on 2 slots: 80 % busy
    assert (
        "at 40/s the samples are too short for an interval of p50 (--duration 30), p90 (--duration 30), "
        in " ".join(load_sentences(findings))
    )
    assert all(each is None or each.low is None for each in findings.load[0].latency_s.values())


def test_no_duration_is_named_whose_tasks_a_result_cannot_keep():
    result = at_rate(THREADS, 400.0, 0.1)
    nearly_full = tuple(
        replace(each, trace=replace(each.trace, service_us=(4_950,) * len(each.trace.planned_us)))
        for each in result.open_loops
    )
    sentences = " ".join(load_sentences(analyse(load_run(replace(result, open_loops=nearly_full)))))
    assert "p50 (more --rounds, or fewer or lower --rate)" in sentences
    assert "--duration" not in sentences
