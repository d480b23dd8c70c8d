"""Charts: their figures, their text, and that Vega-Lite accepts them."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from io import BytesIO
from itertools import pairwise

import pytest
import vl_convert
from PIL import Image

from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.scaling.cost import Cost
from orchestrator.model.findings import Estimate
from orchestrator.reports import pictures
from orchestrator.reports.charts import CHARTS, chart, draw_all, samples, speedup
from orchestrator.reports.charts.chart import ratio_ticks
from tests.examples import AGAIN, CELERY, SERIAL, THREADS, example_run
from tests.unit.reports.made_runs import EVIL, every_run

RUNS = every_run()


def data_of(spec: dict) -> list[dict]:
    """Every datum of a specification, in all its layers."""
    return [datum for values in spec["datasets"].values() for datum in values]


def channel_contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours. Source: WCAG 2.2, "contrast ratio" and "relative luminance"."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_example_has_every_kind_of_chart_that_a_comparison_has():
    run = example_run()
    names = [each.name for each in draw_all(run, analyse(run))]
    assert names == ["verdicts", "speedup-grayscale", "hops", "samples-grayscale"]


@pytest.mark.parametrize("name", RUNS)
def test_every_chart_of_every_run_compiles_and_has_its_text(name):
    run = RUNS[name]
    for drawing in (each for draw in CHARTS.values() for each in draw(run, analyse(run))):
        vl_convert.vegalite_to_vega(json.dumps({**drawing.spec, "width": 300}), chart.VEGA_LITE)
        assert all((drawing.title, drawing.short, drawing.legend, drawing.description, drawing.rows))
        assert {len(row) for row in drawing.rows} == {len(drawing.head)}
        assert re.fullmatch(r"[a-z0-9-]+", drawing.name)


@pytest.mark.parametrize("name", ["no cells", "no samples"])
def test_a_run_without_samples_has_no_chart(name):
    assert draw_all(RUNS[name], analyse(RUNS[name])) == ()


def test_speedups_and_intervals_are_those_of_the_findings():
    run = example_run()
    findings = analyse(run)
    (drawing,) = speedup.draw(run, findings)
    drawn = [(each["ratio"], each["low"], each["high"]) for each in data_of(drawing.spec) if "low" in each]
    expected = [findings.versus_serial[cell] for cell in (SERIAL, THREADS, CELERY, AGAIN)]
    assert set(drawn) == {(each.point, each.low or each.point, each.high or each.point) for each in expected}


def test_a_cell_without_a_valid_figure_is_named_and_not_drawn():
    run = RUNS["tasks lost"]
    assert speedup.draw(run, analyse(run)) == ()
    mixed = replace(run, cells=(RUNS["example"].cells[0], run.cells[1]))
    (drawing,) = speedup.draw(mixed, analyse(mixed))
    assert "Not shown, because they have no valid figure: threads, numpy, 2 slots." in drawing.caption


def test_a_ledger_s_segments_fill_its_bar():
    run = example_run()
    (drawing,) = CHARTS["hops"](run, analyse(run))
    segments = [each for each in data_of(drawing.spec) if "hop" in each]
    assert segments[0]["from"] == 0
    assert segments[-1]["to"] == pytest.approx(1)
    assert all(a["to"] == b["from"] for a, b in pairwise(segments))


def test_a_sample_at_its_median_lies_on_the_line_and_none_leaves_its_row():
    run = example_run()
    (drawing,) = samples.draw(run, analyse(run))
    points = [each for each in data_of(drawing.spec) if "round" in each]
    assert len(points) == sum(len(result.samples) for result in run.cells)
    assert all(abs(each["y"] - each["row"]) <= 0.42 for each in points)
    assert {each["row"] for each in points if each["of its median"].startswith("1.00")} == {1, 2, 3, 4}


@pytest.mark.parametrize(("low", "high"), [(0.8, 1.25), (0.02, 3), (0.95, 40), (1e-4, 1e4), (0.99, 1.3)])
def test_ratio_ticks_are_few_within_the_range_and_include_1(low, high):
    ticks = ratio_ticks(low, high)
    assert 1 in ticks
    assert all(low <= tick <= high for tick in ticks)
    assert 2 <= len(ticks) <= 14
    assert ticks == sorted(ticks, key=math.log)


@pytest.mark.parametrize("colours", [chart.LIGHT, chart.DARK])
def test_text_has_a_contrast_of_4_5_and_marks_of_3(colours):
    for name in ("ink", "muted", "link", "helps", "hurts", "ties", "inconclusive", "invalid"):
        for ground in ("paper", "raised"):
            assert channel_contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    for name in chart.SHAPES:
        assert channel_contrast(colours[name], colours["paper"]) >= 3, name
    for name, (fill, text) in chart.HOP_COLOURS.items():
        assert channel_contrast(fill, text) >= 4.5, name


def test_light_and_dark_name_the_same_colours_and_every_name_in_a_chart_is_one():
    assert list(chart.LIGHT) == list(chart.DARK)
    run = example_run()
    text = json.dumps([each.spec for each in draw_all(run, analyse(run))])
    assert set(re.findall(r"var\(--([a-z]+)\)", text)) <= set(chart.LIGHT)


def test_pictures_have_fixed_colours_on_white():
    run = example_run()
    for name, content in pictures.svg(run, analyse(run)).items():
        assert name.endswith(".svg")
        assert content.startswith(b"<svg")
        assert b"var(--" not in content
    picture = Image.open(BytesIO(pictures.png(run, analyse(run))["hops.png"]))
    assert (picture.format, picture.getpixel((0, 0))) == ("PNG", (255, 255, 255))


def test_hostile_names_put_no_folder_and_no_markup_into_pictures():
    run = RUNS["hostile names"]
    for name, content in pictures.svg(run, analyse(run)).items():
        assert "/" not in name
        assert b"<script" not in content
        assert EVIL.encode() not in content


def cost(slots: float, against: str, elsewhere: bool = False) -> Cost:
    """A predicted COST."""
    return Cost(
        "grayscale",
        against,  # type: ignore[arg-type]
        "predicted",
        celery=CELERY,
        versus=SERIAL,
        versus_per_s=100.0,
        tasks=8,
        most_measured=8,
        shared=True,
        slots=Estimate(slots),
        elsewhere=elsewhere,
    )


def test_the_chart_of_this_fleet_leaves_out_a_cost_on_other_machines(monkeypatch):
    found = (cost(3, "serial"), cost(6, "best in-process", elsewhere=True))
    monkeypatch.setattr("orchestrator.analysis.analyse.costs", lambda *_: found)
    run = RUNS["sweep of the slots"]
    (chart,) = [each for each in draw_all(run, analyse(run)) if each.name.startswith("scaling")]
    names = [datum["name"] for datum in data_of(chart.spec) if "COST" in str(datum.get("name"))]
    assert set(names) == {"COST: 3 vs serial"}


def test_labels_of_costs_stay_within_the_chart_and_do_not_overlap(monkeypatch):
    found = (cost(2, "serial"), cost(12, "best in-process"))
    monkeypatch.setattr("orchestrator.analysis.analyse.costs", lambda *_: found)
    run = RUNS["sweep of the slots"]
    (chart,) = [each for each in draw_all(run, analyse(run)) if each.name.startswith("scaling")]
    labels = [mark for each in chart.spec["layer"] if (mark := each["mark"]).get("fontWeight") == "bold"]
    assert [mark["align"] for mark in labels] == ["left", "right"]
    assert len({mark["y"] for mark in labels}) == 2


def test_1_is_labelled_at_any_width_and_other_ratios_where_there_is_room():
    axis = chart.ratio_axis("speed", 0.004, 2.0).to_dict()
    assert "datum.value === 1 ? width >= 0" in axis["labelExpr"]
    assert "'1/' + format(1 / datum.value" in axis["labelExpr"]
    assert axis["labelOverlap"] is False


def test_a_sample_beyond_the_edge_of_its_row_is_an_arrow():
    run = example_run()
    first = run.cells[0]
    slow, *others = first.samples
    upset = replace(
        run, cells=(replace(first, samples=(replace(slow, makespan_s=0.1), *others)), *run.cells[1:])
    )
    for each, arrows in ((run, 0), (upset, 1)):
        (drawing,) = samples.draw(each, analyse(each))
        marks = [datum["shape"] for datum in data_of(drawing.spec) if "shape" in datum]
        assert marks.count("arrow") == arrows
        assert ("arrow" in drawing.caption) == bool(arrows)
