from dataclasses import replace

import pytest

from orchestrator.analysis.scaling_sentences import sweep_sentence
from orchestrator.analysis.sweeping import Sweep, axis_of, sweeping
from orchestrator.model import Cell, CellResult, Run
from tests.unit.analysis.made_fleets import fleet_run, plain_result
from tests.unit.analysis.made_runs import STEADY

SERIAL = Cell("decode", "asarray", "serial", 1)
THREADS = replace(SERIAL, strategy="threads", slots=2)
CELERY = Cell("decode", "asarray", "celery", 2, "redis", 1, "local")
SIDES = (32, 64, 128, 256, 512, 1024)


def turned(turn: int) -> tuple[float, ...]:
    return (*STEADY[turn:], *STEADY[:turn])


def by_size(truth: int) -> Run:
    """Serial takes its pixels, Celery half of them and what makes both equal at `truth` a side."""
    results: list[CellResult] = []
    for turn, side in enumerate(SIDES):
        work = 1e-7 * side * side
        size = {"width": side, "height": side}
        results.append(plain_result(replace(SERIAL, **size), work, factors=turned(turn)))
        results.append(
            plain_result(replace(CELERY, **size), work / 2 + 0.5e-7 * truth**2, factors=turned(6 - turn))
        )
    return swept("size", *results)


def swept(axis: str, *results: CellResult) -> Run:
    run = fleet_run(*results)
    return replace(run, plan=replace(run.plan, axis=axis))  # type: ignore[arg-type]


def against_serial(run: Run) -> Sweep:
    return next(each for each in sweeping(run).sweeps if each.against == "serial")


def test_a_break_even_in_size_is_found_and_said_as_a_picture() -> None:
    run = by_size(200)
    sweep = against_serial(run)
    assert (sweep.axis, sweep.found.kind) == ("pixels", "crosses")
    (crossing,) = sweep.found.crossings
    assert crossing.at == pytest.approx(200 * 200, rel=0.05)
    assert sweep.celery[0] == replace(CELERY, width=32, height=32)
    text = sweep_sentence(sweep, run)
    assert text.startswith("decode: Celery beats serial from ")
    assert "tested 32x32 pixels to 1024x1024 pixels" in text
    assert "95 % interval" in text


def test_never_and_always_name_the_range() -> None:
    assert "never beats serial in the tested range, 32x32" in sweep_sentence(
        against_serial(by_size(10_000)), by_size(10_000)
    )
    assert "wherever it was tested" in sweep_sentence(against_serial(by_size(2)), by_size(2))


def test_the_chunk_is_an_axis_on_which_the_baseline_stays() -> None:
    results = [
        plain_result(replace(CELERY, chunk=c), 0.8 / c + 0.1, factors=turned(c % 5)) for c in (1, 2, 4, 8, 16)
    ]
    run = swept("chunk", plain_result(SERIAL, 0.3), *results)
    sweep = against_serial(run)
    assert sweep.axis == "chunk"
    assert sweep.found.crossings[0].at == pytest.approx(4.0, rel=0.1)
    assert set(sweep.versus) == {SERIAL}


def test_the_origins_latency_is_an_axis_and_0_has_no_place_on_it() -> None:
    results = []
    for turn, ms in enumerate((0.0, 1.0, 4.0, 16.0, 64.0)):
        results.append(plain_result(replace(SERIAL, latency_ms=ms), 0.01 + ms / 1e3, factors=turned(turn)))
        results.append(
            plain_result(replace(CELERY, latency_ms=ms), 0.02 + ms / 4e3, factors=turned(6 - turn))
        )
    run = swept("latency", *results)
    sweep = against_serial(run)
    assert sweep.axis == "latency_ms"
    assert sweep.found.low == 1.0
    assert "ms of latency" in sweep_sentence(sweep, run)


def test_of_several_cells_the_best_stands_for_its_side_and_costs_a_round() -> None:
    run = by_size(200)
    threads = [
        plain_result(replace(THREADS, width=s, height=s), 1e-7 * s * s / 1.5, factors=turned(2))
        for s in SIDES
    ]
    best = next(
        each
        for each in sweeping(replace(run, cells=(*run.cells, *threads))).sweeps
        if each.against != "serial"
    )
    assert {cell.strategy for cell in best.versus} == {"threads"}
    assert all(0 not in point.ratios for point in best.found.points)


def test_a_run_that_swept_nothing_has_no_sweeps() -> None:
    run = fleet_run(plain_result(SERIAL, 1.0), plain_result(CELERY, 0.5))
    assert axis_of(run, "decode") is None
    assert sweeping(run).sweeps == ()
