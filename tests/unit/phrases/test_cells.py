"""Names of cells."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.model.runs import Cell
from orchestrator.phrases.cells import cell_name, task_lengths
from tests.examples import example_run

SERIAL = Cell("grayscale", "numpy", "serial", 1)
CELERY = Cell("grayscale", "numpy", "celery", 2, "redis", 4, "local")


def test_a_short_name_has_the_strategy_and_what_tells_celery_s_cells_apart() -> None:
    assert cell_name(SERIAL) == "serial"
    assert cell_name(CELERY) == "celery redis/4"
    everything = replace(CELERY, data="resident", events="on", replica=1, width=64, height=64)
    assert cell_name(everything) == "celery redis/4 stays events again"
    assert cell_name(replace(CELERY, strategy="processes", transport="shared-memory")) == "processes shared/4"


def test_a_long_name_has_kernel_work_and_slots_as_well() -> None:
    assert cell_name(SERIAL, "long") == "serial, numpy, 1 slot"
    swept = replace(CELERY, width=64, height=64, latency_ms=5.0)
    assert cell_name(swept, "long") == "celery redis/4, numpy, 64x64 5 ms, 2 slots"


def test_a_pool_and_a_style_that_are_not_the_usual_ones_are_named() -> None:
    assert cell_name(replace(CELERY, pool="prefork")) == "celery redis/4"
    assert cell_name(replace(CELERY, pool="solo", style="idiomatic")) == "celery idiomatic solo"
    assert cell_name(replace(CELERY, pool="solo"), "prose") == (
        "Celery with numpy on 2 slots (redis, chunk 4, pool solo)"
    )


def test_a_name_in_prose_can_stand_in_a_sentence() -> None:
    assert cell_name(SERIAL, "prose") == "serial with numpy"
    assert cell_name(CELERY, "prose") == "Celery with numpy on 2 slots (redis, chunk 4)"
    resident = replace(CELERY, data="resident", events="on", replica=1)
    assert cell_name(resident, "prose") == (
        "Celery with numpy on 2 slots (redis, chunk 4, data resident, task events on, again)"
    )


def test_a_batch_of_spin_tasks_is_named_by_their_lengths() -> None:
    run = example_run()
    cells = tuple(
        replace(SERIAL, stage="spin", kernel="held", work_s=work_s) for work_s in (0.0001, 0.02, 0.002)
    )
    assert task_lengths(replace(run, plan=replace(run.plan, cells=cells))) == "100 µs to 20.0 ms"
    assert task_lengths(replace(run, plan=replace(run.plan, cells=cells[1:2]))) == "20.0 ms"
    assert task_lengths(replace(run, plan=replace(run.plan, cells=(*cells, SERIAL)))) == ""
