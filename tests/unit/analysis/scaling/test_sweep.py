import re
from dataclasses import replace

import pytest

from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.scaling.sweep import Sweep, axis_of, distinct, sweeps
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.phrases.headline import headline
from orchestrator.phrases.sweep import significant, sweep_sentence, value_name
from tests.unit.analysis.made_fleets import fleet_run, plain_result
from tests.unit.analysis.made_runs import STEADY

SERIAL = Cell("decode", "asarray", "serial", 1)
THREADS = replace(SERIAL, strategy="threads", slots=2)
CELERY = Cell("decode", "asarray", "celery", 2, "redis", 1, "local")
SIDES = (32, 64, 128, 256, 512, 1024)


def turned(turn: int) -> tuple[float, ...]:
    return (*STEADY[turn:], *STEADY[:turn])


def by_size(truth: int) -> Run:
    """Serial time grows with pixels, Celery's half as fast; both are equal at `truth` a side."""
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
    return next(each for each in sweeps(run) if each.against == "serial")


def test_a_break_even_in_size_is_found_and_given_as_an_image_size() -> None:
    run = by_size(200)
    sweep = against_serial(run)
    assert (sweep.axis, sweep.found.kind) == ("pixels", "crosses")
    (crossover,) = sweep.found.crossovers
    assert crossover.at == pytest.approx(200 * 200, rel=0.05)
    assert sweep.celery[0] == replace(CELERY, width=32, height=32)
    text = sweep_sentence(sweep, run)
    assert text.startswith("Celery beats serial from ")
    assert "times as long at 32x32 and is 1.9" in text
    assert text.endswith("times as fast at 1024x1024 pixels, the ends of the tested range.")
    assert "95 % interval" in text


def test_never_and_always_name_the_range() -> None:
    never = sweep_sentence(against_serial(by_size(10_000)), by_size(10_000))
    assert never.startswith("Celery never beats serial from 32x32 to 1024x1024 pixels: it takes ")
    assert "in the whole tested range" in sweep_sentence(against_serial(by_size(2)), by_size(2))


def by_factors(*factors: float, spread: float = 1.0) -> Run:
    """Celery takes this many times as long as serial, size by size; its rounds differ by 6 % times `spread`."""
    wild = tuple(1 + spread * each for each in (0.0, 0.06, -0.06, 0.04, -0.04, 0.02, -0.02))
    results: list[CellResult] = []
    for side, factor in zip(SIDES, factors, strict=True):
        size = {"width": side, "height": side}
        results.append(plain_result(replace(SERIAL, **size), 1.0, factors=(1.0,) * 7))
        results.append(plain_result(replace(CELERY, **size), factor, factors=wild))
    return swept("size", *results)


def test_a_sweep_that_is_significantly_faster_only_at_one_end_does_not_claim_the_whole_range() -> None:
    run = by_factors(0.97, 0.99, 0.96, 0.97, 0.95, 0.81)
    sweep = against_serial(run)
    assert sweep.found.kind == "always"
    assert not sweep.found.everywhere
    text = sweep_sentence(sweep, run)
    assert re.match(
        r"Celery is significantly faster than serial at 1024x1024 pixels; below that it is unclear\. "
        r"It is 1\.03",
        text,
    )
    assert (
        headline(analyse(run)).text == "In decode Celery pays at 1024x1024 pixels; below that it is unclear"
    )


def test_a_sweep_that_is_significantly_slower_only_at_one_end_does_not_claim_never() -> None:
    run = by_factors(1.4, 1.2, 1.03, 1.01, 1.02, 1.01)
    text = sweep_sentence(against_serial(run), run)
    assert text.startswith(
        "No break-even was found up to 1024x1024 pixels: Celery is significantly slower than serial from 32x32 to "
        "64x64 pixels; above that it is unclear. It takes 1.40 times as long at 32x32"
    )
    assert headline(analyse(run)).text == "No break-even found in decode up to 1024x1024 pixels"


def test_an_end_that_is_not_significantly_faster_is_no_break_even() -> None:
    run = by_factors(3.0, 2.0, 1.5, 1.2, 1.05, 0.9, spread=4)
    sweep = against_serial(run)
    assert (sweep.found.kind, sweep.found.pays) == ("perhaps", False)
    assert re.fullmatch(
        r"No break-even found in decode up to 1024x1024 pixels; perhaps from \d{3}x\d{3} pixels",
        headline(analyse(run)).text,
    )
    text = sweep_sentence(sweep, run)
    assert text.startswith(
        "No break-even is certain up to 1024x1024 pixels. Perhaps Celery beats serial from "
    )
    assert "possibly beyond the tested range" in text


def test_a_gain_within_what_the_same_cell_differs_by_is_no_break_even() -> None:
    run = by_factors(3.0, 2.0, 1.5, 1.2, 0.9, 0.9, spread=0.1)
    again = plain_result(replace(CELERY, width=1024, height=1024, replica=1), 0.78, factors=(1.0,) * 7)
    assert against_serial(run).found.kind == "crosses"
    assert against_serial(replace(run, cells=(*run.cells, again))).found.kind == "never"


def test_all_significant_spans_are_named() -> None:
    text = significant(
        against_serial(by_factors(1.4, 1.2, 1.01, 1.01, 1.2, 1.4)), by_factors(1, 1, 1, 1, 1, 1)
    )
    assert re.fullmatch(
        r"from 32x32 to .* pixels and from .* to 1024x1024 pixels; elsewhere it is unclear", text
    )


def test_on_the_chunk_axis_the_baseline_is_the_same_everywhere() -> None:
    results = [
        plain_result(replace(CELERY, chunk=c), 0.8 / c + 0.1, factors=turned(c % 5)) for c in (1, 2, 4, 8, 16)
    ]
    run = swept("chunk", plain_result(SERIAL, 0.3), *results)
    sweep = against_serial(run)
    assert sweep.axis == "chunk"
    assert sweep.found.crossovers[0].at == pytest.approx(4.0, rel=0.1)
    assert set(sweep.versus) == {SERIAL}


def by_chunk(*times: tuple[int, float], factors: tuple[float, ...] = STEADY) -> Run:
    """Celery takes these times with these chunks, serial 0.3 s."""
    results = [plain_result(replace(CELERY, chunk=chunk), time, factors=factors) for chunk, time in times]
    return swept("chunk", plain_result(SERIAL, 0.3, factors=(1.0,) * 7), *results)


def test_a_break_even_between_chunks_is_rounded_to_a_chunk_that_pays() -> None:
    falling = by_chunk((1, 0.85), (2, 0.36), (4, 0.25), (8, 0.2), (16, 0.15))
    text = sweep_sentence(against_serial(falling), falling)
    assert text.startswith(
        "Celery beats serial from 3 tasks a message (95 % interval: 3 tasks a message); it takes "
    )
    assert "times as long at 1 and is 2.00 times as fast at 16 tasks a message" in text
    assert headline(analyse(falling)).text == "In decode Celery pays from 3 tasks a message"
    rising = by_chunk((1, 0.15), (2, 0.25), (4, 0.36), (8, 0.5), (16, 0.85))
    assert sweep_sentence(against_serial(rising), rising).startswith(
        "Celery beats serial up to 2 tasks a message ("
    )


def test_a_crossing_at_a_measured_chunk_is_that_chunk() -> None:
    run = by_chunk(*((chunk, 0.3 * 4 / chunk) for chunk in (1, 2, 4, 8, 16)), factors=(1.0,) * 7)
    assert "from 4 tasks a message (" in sweep_sentence(against_serial(run), run)


def test_one_task_is_singular() -> None:
    sweep = against_serial(by_chunk((1, 0.85), (2, 0.36), (4, 0.25), (8, 0.2)))
    assert value_name(sweep, by_size(2), 1.0) == "1 task a message"


def test_a_latency_of_0_is_left_off_the_logarithmic_axis() -> None:
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


def test_a_break_even_in_tasks_is_a_whole_number_of_them() -> None:
    results = []
    for turn, tasks in enumerate((2, 4, 8, 16, 32, 64)):
        results.append(plain_result(replace(SERIAL, tasks=tasks), 0.01 * tasks, factors=turned(turn)))
        results.append(
            plain_result(replace(CELERY, tasks=tasks), 0.1 + 0.005 * tasks, factors=turned(6 - turn))
        )
    run = swept("tasks", *results)
    sweep = against_serial(run)
    assert (sweep.axis, sweep.found.kind) == ("tasks", "crosses")
    assert sweep.found.crossovers[0].at == pytest.approx(20.0, rel=0.05)
    assert re.match(r"In decode Celery pays from (20|21) tasks( \(20 to 21\))?$", headline(analyse(run)).text)


def test_choosing_the_best_of_several_cells_costs_a_round() -> None:
    run = by_size(200)
    threads = [
        plain_result(replace(THREADS, width=s, height=s), 1e-7 * s * s / 1.5, factors=turned(2))
        for s in SIDES
    ]
    best = next(
        each for each in sweeps(replace(run, cells=(*run.cells, *threads))) if each.against != "serial"
    )
    assert {cell.strategy for cell in best.versus} == {"threads"}
    assert all(0 not in point.ratios for point in best.found.points)


def test_too_few_rounds_are_given_as_the_reason() -> None:
    run = by_size(200)
    few = replace(run, cells=tuple(replace(each, samples=each.samples[:4]) for each in run.cells))
    text = sweep_sentence(against_serial(few), few)
    assert text.startswith("Celery and serial do not differ significantly from 32x32 to 1024x1024 pixels: ")
    assert "but only 4 rounds can be compared; use --rounds 7 or more" in text


def test_too_few_points_are_given_as_the_reason_instead_of_noise() -> None:
    run = by_size(200)
    three = replace(run, cells=tuple(each for each in run.cells if (each.cell.width or 0) in (32, 256, 1024)))
    text = sweep_sentence(against_serial(three), three)
    assert (
        text
        == "It is unclear where Celery beats serial: only 3 of 6 points could be compared, and 4 are needed."
    )
    asked = replace(three, plan=replace(three.plan, cells=tuple(each.cell for each in three.cells)))
    assert "only 3 points could be compared, and 4 are needed" in sweep_sentence(against_serial(asked), asked)


def test_two_baselines_with_the_same_cells_are_reported_once() -> None:
    found = sweeps(by_size(200))
    assert [each.against for each in found] == ["best in-process", "serial"]
    assert [each.against for each in distinct(found)] == ["best in-process"]


def test_a_run_without_a_swept_axis_has_no_sweeps() -> None:
    run = fleet_run(plain_result(SERIAL, 1.0), plain_result(CELERY, 0.5))
    assert axis_of(run, "decode") is None
    assert sweeps(run) == ()
