"""What was measured, how to read its tables, and what went wrong in it."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.analysis.analyse import analyse
from orchestrator.model.runs import TaskFailure
from orchestrator.phrases.run import (
    environment_facts,
    failure_lines,
    noise_sentence,
    plan_facts,
    table_legend,
)
from tests.examples import example_run
from worker.payloads import TRANSPORTS


def test_an_error_of_several_cells_is_reported_once_with_the_first_cell():
    run = example_run()
    failed = tuple(replace(each, failures=(TaskFailure(0, "ValueError", "bad"),)) for each in run.cells)
    (line,) = failure_lines(replace(run, cells=failed))
    assert (line.kind, line.message) == ("failed", "ValueError: bad")
    assert line.where == "grayscale, serial, numpy, 1 slot and 3 more cells"


def test_a_cell_with_lost_tasks_is_invalid_with_its_counts():
    run = example_run()
    first = run.cells[0]
    lost = replace(first, samples=tuple(replace(each, ok=7, lost=1) for each in first.samples))
    (line,) = failure_lines(replace(run, cells=(lost, *run.cells[1:])))
    assert (line.kind, line.message) == ("invalid", "7 lost")


def test_a_run_in_which_nothing_went_wrong_has_no_failure_lines():
    assert failure_lines(example_run()) == ()


def test_the_noise_floor_is_unknown_without_an_a_a_pair():
    run = example_run()
    assert noise_sentence(analyse(run)).endswith("differs by 0.1 % (-2.5 to 2.6 %).")
    alone = replace(run, cells=run.cells[:3])
    assert noise_sentence(analyse(alone)) == "Noise: unknown, because no row was measured twice."


def test_the_legend_takes_what_a_transport_does_from_the_registry():
    run = example_run()
    legend = table_legend(run, analyse(run))
    assert "celery redis/1: transport redis, 1 task per message." in legend
    assert f"redis: {TRANSPORTS['redis'].summary}." in legend


def test_the_legend_of_processes_speaks_of_calls():
    run = example_run()
    cell = replace(run.cells[1].cell, strategy="processes", transport="pickle", chunk=4)
    pooled = replace(run, cells=(replace(run.cells[1], cell=cell),))
    assert "processes pickle/4: transport pickle, 4 tasks per call." in table_legend(pooled, analyse(pooled))


def test_an_interrupted_run_says_how_many_of_its_rounds_were_measured():
    run = replace(example_run(), complete=False)
    cut = replace(run, cells=tuple(replace(each, samples=each.samples[:3]) for each in run.cells))
    assert dict(plan_facts(cut))["rounds"] == "3 of 7"


def test_a_batch_of_tasks_of_a_set_length_has_no_images():
    run = example_run()
    assert dict(plan_facts(run))["images"] == f"{run.plan.images} of 320x240"
    cells = tuple(replace(each, stage="spin", kernel="held", work_s=0.02) for each in run.plan.cells)
    facts = dict(plan_facts(replace(run, plan=replace(run.plan, cells=cells))))
    assert facts["tasks"] == f"{run.plan.images} of 20.0 ms"


def test_the_facts_of_the_environment_name_every_worker():
    facts = environment_facts(example_run())
    assert sum(name == "worker" for name, _ in facts) == len(example_run().environment.workers)
