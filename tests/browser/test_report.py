"""The HTML report in a real browser: it loads nothing, draws everything, fits and is accessible."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from orchestrator import results
from orchestrator.analysis.analyse import analyse
from orchestrator.model.runs import Objective
from orchestrator.reports import html
from orchestrator.reports.charts import chart
from tests.examples import CELERY, THREADS
from tests.load_examples import at_rate, load_run
from tests.unit.reports.made_runs import every_run, quick_sized

pytestmark = pytest.mark.browser

BUSIER = [at_rate(cell, rate, rate / 1000) for cell in (THREADS, CELERY) for rate in (20.0, 40.0)]
LOADED = load_run(*BUSIER, objective=Objective(0.95, 0.1))
RUNS = {**every_run(), "quick": quick_sized(), "load": LOADED}
SIZES = {"wide": 1400, "phone": 360}


@dataclass
class Opened:
    """An open page, with its complaints on the console and its requests."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


Open = Callable[..., Opened]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the file with the page of a run; written at the first call."""
    folder = tmp_path_factory.mktemp("pages")

    def file(name: str) -> Path:
        path = folder / f"{name.replace(' ', '-')}.html"
        if not path.exists():
            path.write_text(html.render(RUNS[name], analyse(RUNS[name])), encoding="utf-8")
        return path

    return file


@pytest.fixture
def open_page(browser: Browser, files: Callable[[str], Path]) -> Iterator[Open]:
    """Open a run's page, at a width and in a colour scheme, and wait until its charts are drawn."""
    contexts = []

    def opened(name: str, width: int = 1400, scheme: Any = "light", **options: Any) -> Opened:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, **options
        )
        contexts.append(context)
        made = Opened(context.new_page())
        made.page.on("console", lambda message: made.complaints.append(message.text))
        made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
        made.page.on("request", lambda request: made.requests.append(request.url))
        made.page.goto(files(name).as_uri())
        made.page.wait_for_selector("html[data-drawn]", timeout=20_000)
        return made

    yield opened
    for context in contexts:
        context.close()


def unfolded(page: Page) -> Page:
    """The page with every folded part open, and what is in it drawn."""
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    page.wait_for_function(
        "[...document.querySelectorAll('[data-chart]')].every(each => each.querySelector('svg'))"
    )
    return page


def marks(page: Page) -> dict[str, int]:
    """The number of marks of each chart."""
    found: dict[str, int] = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("[data-chart]")].map(chart =>
            [chart.dataset.chart, chart.querySelectorAll("svg .mark-symbol path, svg .mark-rect path").length]))"""
    )
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_chart_is_drawn_without_a_complaint_a_request_or_an_overflow(open_page: Open, size, scheme):
    opened = open_page("quick", SIZES[size], scheme)
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [opened.page.url]
    drawn = marks(unfolded(opened.page))
    assert len(drawn) == 4 + 1 + 4
    assert all(drawn.values()), drawn
    assert opened.page.evaluate("document.documentElement.scrollWidth") == SIZES[size]
    widths = opened.page.evaluate(
        """() => [...document.querySelectorAll("[data-chart]")].map(chart =>
            chart.querySelector("svg").getBoundingClientRect().width - chart.clientWidth)"""
    )
    assert max(widths) <= 1


@pytest.mark.parametrize("size", SIZES)
def test_no_text_of_a_chart_is_cut_off(open_page: Open, size):
    for name in ("quick", "sweep of the slots"):
        cut = unfolded(open_page(name, SIZES[size]).page).evaluate(
            """() => [...document.querySelectorAll("[data-chart] svg")].flatMap(svg => {
                const whole = svg.getBoundingClientRect();
                return [...svg.querySelectorAll("text")].filter(text => {
                    const box = text.getBoundingClientRect();
                    return text.textContent && (box.top < whole.top - 1 || box.bottom > whole.bottom + 1
                        || box.right > whole.right + 1);
                }).map(text => text.textContent);
            })"""
        )
        assert cut == []


@pytest.mark.parametrize("name", RUNS)
def test_every_run_opens_without_a_complaint_or_a_request(open_page: Open, name):
    opened = open_page(name, SIZES["phone"])
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [opened.page.url]
    assert opened.page.evaluate("document.documentElement.scrollWidth") == SIZES["phone"]
    assert all(marks(unfolded(opened.page)).values())


@pytest.mark.parametrize("size", SIZES)
def test_every_axis_of_ratios_labels_1(open_page: Open, size):
    page = open_page("quick", SIZES[size]).page
    labels = page.evaluate(
        """() => [...document.querySelectorAll("[data-chart^=speedup]")].map(chart =>
            [...chart.querySelectorAll("svg .role-axis-label text")].map(text => text.textContent))"""
    )
    assert len(labels) == 4
    assert all(each.count("1×") == 1 for each in labels)


@pytest.mark.parametrize("size", SIZES)
def test_the_answer_is_the_first_thing_and_the_rest_is_folded(open_page: Open, size):
    page = open_page("quick", SIZES[size]).page
    assert page.locator("main > section").first.get_attribute("id") == "answer"
    assert page.locator("#answer .cards > li").count() == 4
    assert page.locator("#appendix details[open]").count() == 0
    assert not page.locator("[data-chart=samples-decode]").is_visible()


def test_on_a_phone_the_table_keeps_its_speedup_columns_and_scrolls_within(open_page: Open):
    page = unfolded(open_page("quick", SIZES["phone"]).page)
    table = page.locator("#table .scroll").first
    assert [each for each in table.locator("thead th").all_inner_texts() if "vs " in each] == [
        "vs serial",
        "vs in-process",
    ]
    assert all(each.is_visible() for each in table.locator("tbody tr").first.locator("td.number").all()[:2])
    assert table.evaluate("each => each.scrollWidth > each.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") == SIZES["phone"]


def test_a_quick_run_s_charts_are_drawn_within_2_seconds(open_page: Open):
    page = open_page("quick").page
    assert int(page.evaluate("document.documentElement.dataset.drawn")) < 2000


def test_charts_follow_the_colour_scheme_and_are_light_on_paper(open_page: Open):
    page = open_page("quick", scheme="light").page

    def fill() -> str:
        text = page.query_selector("[data-chart=hops] svg text")
        assert text is not None
        return str(text.evaluate("text => getComputedStyle(text).fill"))

    def rgb(colour: str) -> str:
        return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"

    assert fill() == rgb(chart.LIGHT["ink"])
    page.emulate_media(color_scheme="dark")
    assert fill() == rgb(chart.DARK["ink"])
    page.emulate_media(color_scheme="dark", media="print")
    assert fill() == rgb(chart.LIGHT["ink"])


def test_hovering_shows_figures(open_page: Open):
    page = open_page("quick").page
    page.locator("[data-chart=speedup-decode]").scroll_into_view_if_needed()
    page.locator("[data-chart=speedup-decode] svg .mark-symbol path").nth(1).hover()
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for(timeout=5000)
    for word in ("cell", "interval", "makespan", "threads, getdata, 2 slots"):
        assert word in tooltip.inner_text()


def test_a_page_under_load_draws_latency_over_the_rate_with_the_promise_and_over_time(open_page: Open):
    page = open_page("load").page
    over_rate, over_time = "latency-grayscale", "latency-time-grayscale"
    first = marks(unfolded(page))
    assert first[over_rate] >= 2 * 2 * 2  # strategies, rates, quantiles with a figure
    assert page.locator(f"[data-chart={over_rate}] svg text", has_text="p95 within 100 ms").count() == 1
    rate = page.locator(f"[data-chart={over_time}] select")
    assert rate.locator("option").all_inner_texts() == ["20/s", "40/s"]
    assert first[over_time] > 100
    peaks = f"[data-chart={over_time}] svg .mark-symbol path"
    before = page.locator(peaks).first.get_attribute("transform")
    rate.select_option(label="20/s")
    page.wait_for_function(
        "([peaks, before]) => document.querySelector(peaks).getAttribute('transform') !== before",
        arg=[peaks, before],
        timeout=10_000,
    )


def test_the_download_is_the_result(open_page: Open, tmp_path: Path):
    page = open_page("quick", accept_downloads=True).page
    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename == results.file_name(RUNS["quick"])
    download.value.save_as(tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_text()) == json.loads(results.dumps(RUNS["quick"]))
    assert results.read(tmp_path / "result.json").cells == RUNS["quick"].cells


def test_the_pictures_before_and_after_are_shown(open_page: Open):
    page = open_page("quick").page
    sizes = page.evaluate('[...document.querySelectorAll("[data-proof]")].map(each => each.naturalWidth)')
    assert sizes == [320, 320]


def test_a_script_that_got_into_the_page_would_not_run(open_page: Open):
    opened = open_page("quick")
    opened.page.evaluate(
        """() => { const script = document.createElement("script");
            script.textContent = "window.ran = true"; document.body.append(script); }"""
    )
    assert opened.page.evaluate("window.ran") is None
    assert any("Content Security Policy" in each for each in opened.complaints)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["quick", "outputs differ"])
def test_axe_finds_nothing_serious(open_page: Open, axe: str, name, size, scheme):
    page = open_page(name, SIZES[size], scheme).page
    unfolded(page).evaluate(axe)
    found = page.evaluate("axe.run()")
    grave = [
        f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]
    assert grave == []
    assert len(found["passes"]) > 20
