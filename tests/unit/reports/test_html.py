"""The HTML page as text: what is in it, and that nothing can break out. tests/browser opens it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from markupsafe import escape

from orchestrator import results
from orchestrator.analysis.analyse import analyse
from orchestrator.inputs.synthetic import photograph
from orchestrator.measurement.example_output import thumbnails
from orchestrator.model.findings import Observation
from orchestrator.model.runs import Run
from orchestrator.phrases.headline import headline
from orchestrator.phrases.recommendations import changes
from orchestrator.reports import html
from tests.examples import THREADS, example_run
from tests.load_examples import at_rate, load_run
from tests.unit.analysis.made_fleets import SERIAL, celery_result, fleet_run, plain_result
from tests.unit.reports.made_runs import every_run, quick_sized, with_stations

RUNS = every_run()


class Page(HTMLParser):
    """What a browser would find in a page: elements with their attributes, and each script's text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data):
        if self.cdata_elem == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = attributes, text + data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page(run: Run) -> Page:
    return Page(html.render(run, analyse(run)))


def text_of(run: Run) -> str:
    return html.render(run, analyse(run))


@pytest.mark.parametrize("name", RUNS)
def test_every_run_has_a_page_with_two_scripts_and_two_data_blocks_and_no_address_to_load(name):
    made = page(RUNS[name])
    assert [attributes.get("type") for attributes, _ in made.scripts] == [
        "application/json",
        "application/json",
        None,
        None,
    ]
    assert [each for _, each in made.elements if "src" in each or "onerror" in each] == []
    assert [each["href"] for each in made.all("link")] == ["data:,"]
    assert all(each["href"].startswith("#") for each in made.all("a"))


def test_the_policy_allows_the_page_s_own_scripts_and_no_request():
    made = page(example_run())
    (policy,) = (each["content"] for each in made.all("meta") if each.get("http-equiv"))
    for _, text in made.scripts[2:]:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy


@pytest.mark.parametrize("name", ["example", "hostile names", "no samples"])
def test_the_result_in_the_page_is_the_run_and_gives_the_same_page_again(name):
    run = RUNS[name]
    made = page(run)
    (text,) = (text for attributes, text in made.scripts if attributes.get("id") == "result")
    assert json.loads(text) == json.loads(results.dumps(run))
    if name == "example":
        again = results.from_json(json.loads(text))
        assert text_of(again) == text_of(run)


def test_a_page_under_heavy_load_leaves_out_the_times_of_its_tasks_and_says_where_they_are():
    few, many = (load_run(at_rate(THREADS, rate, 0.02)) for rate in (20.0, 1000.0))
    assert page(few).all("button")[-1]["id"] == "download"
    made = page(many)
    (text,) = (text for attributes, text in made.scripts if attributes.get("id") == "result")
    assert json.loads(text) == {"proof": None}
    assert [each["id"] for each in made.all("button")] == ["copy"]
    said = (
        f"The times of 30,000 tasks are in the result file {results.file_name(many)}, and not in this page."
    )
    assert said in text_of(many)


def test_headings_descend_without_a_gap_and_there_is_one_of_the_first_order():
    levels = [int(tag[1]) for tag, _ in page(example_run()).elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_chart_has_a_text_alternative_and_a_table_of_its_figures():
    made = page(example_run())
    charts = [each for each in made.all("div") if "data-chart" in each]
    assert len(charts) == 3
    assert all(each["role"] == "img" and each["aria-label"] for each in charts)
    assert sum(each.get("class") == "figures" for each in made.all("details")) == len(charts)


def test_ids_are_unique_and_every_link_within_the_page_leads_somewhere():
    made = page(example_run())
    ids = [each["id"] for _, each in made.elements if "id" in each]
    assert len(ids) == len(set(ids))
    assert {each["href"][1:] for each in made.all("a")} <= set(ids)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("example", "Celery hurts in grayscale"),
        ("no samples", "It is unclear whether Celery helps in grayscale"),
        ("tasks lost", "Outputs were missing or wrong in grayscale"),
        ("serial alone", "Nothing to compare"),
        ("sweep of the slots", "In grayscale Celery pays from 3 slots on"),
    ],
)
def test_the_headline_answers_the_question(name, text):
    run = RUNS[name]
    if name == "serial alone":
        run = replace(run, plan=replace(run.plan, cells=tuple(each.cell for each in run.cells)))
    assert headline(analyse(run)).text == text
    assert f"<h1>{text}</h1>" in text_of(run)


@pytest.mark.parametrize(
    ("name", "lead"),
    [
        ("sweep of the slots", "Celery beats the fastest in-process cell from 3 slots on."),
        ("sweep of the chunk", "Celery beats the fastest in-process cell from 3 tasks a message."),
    ],
)
def test_a_sweep_has_one_sentence_below_the_headline_and_figures_by_the_chart(name, lead):
    run = RUNS[name]
    assert headline(analyse(run)).lead == lead
    page = text_of(run)
    assert f'<p class="lead">{lead}</p>' in page
    assert " % interval" in page.split('<ul class="sentences">')[1]


def test_the_lead_says_what_slots_on_other_machines_would_do():
    slow = [celery_result(slots, cpu_s=0.099) for slots in (1, 2)]
    run = fleet_run(plain_result(SERIAL, 0.9), *slow)
    run = replace(run, plan=replace(run.plan, axis="slots"))
    assert headline(analyse(run)).lead == (
        "No number of slots on this machine would beat the fastest in-process cell; with slots on other machines it "
        "should from 3 slots on."
    )


def test_inconclusive_stages_do_not_count_as_stages_where_celery_does_not_help():
    run = quick_sized()
    few = replace(
        run, cells=tuple(replace(each, samples=each.samples[:3]) for each in run.cells), complete=False
    )
    assert headline(analyse(few)).text == (
        "It is unclear whether Celery helps in download, decode, grayscale and pipeline"
    )
    mixed = replace(run, cells=(*few.of_stage("download"), *(each for each in run.cells[10:])))
    assert headline(analyse(mixed)).text.endswith("; unclear in download")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["invalid"], "Outputs were missing or wrong in stage 0"),
        (["invalid"] * 2, "Outputs were missing or wrong in stage 0 and stage 1"),
        (["helps"] * 3, "Celery helps in stage 0, stage 1 and stage 2"),
        (
            ["helps", "hurts", "invalid", "invalid"],
            "Celery helps in stage 0; not in stage 1; outputs were missing or wrong in stage 2 and stage 3",
        ),
        (
            ["ties", "inconclusive", "invalid"],
            "Celery does not help in stage 0; unclear in stage 1; outputs were missing or wrong in stage 2",
        ),
        (
            ["inconclusive", "inconclusive"],
            "It is unclear whether Celery helps in stage 0 and stage 1",
        ),
    ],
)
def test_the_headline_names_the_stages_of_each_verdict(words, text):
    def said(why):
        found = analyse(quick_sized())
        like = next(each for each in found.verdicts if each.against == "best in-process")
        vars(found)["verdicts"] = tuple(
            replace(
                like,
                stage=f"stage {n}",
                verdict=word,
                obstacle=Observation(why) if word == "invalid" else None,
            )
            for n, word in enumerate(words)
        )
        return headline(found).text

    assert said("incorrect") == text
    unlike = text.replace("Outputs were missing or wrong", "There is no verdict")
    assert said("unequal failures") == unlike.replace("outputs were missing or wrong", "there is no verdict")


def test_a_page_without_verdicts_has_no_empty_section_of_them():
    made = text_of(RUNS["sweep of the size"])
    assert 'id="answer"' not in made
    assert "Noise: " in made
    assert 'id="answer"' in text_of(example_run())


def test_a_card_tells_each_of_its_figures_once():
    made = text_of(example_run())
    card = made.split('<ul class="cards">')[1].split("</ul>")[0]
    assert "<strong>threads</strong>1.67× faster (1.62–1.73)" in card
    assert "Celery: 1.20× slower (1.18–1.23), 2.0× slower than threads" in card
    assert "A task holds a slot for 2.00 ms beside 1.00 ms of work." in card
    assert all(card.count(figure) == 1 for figure in ("1.67", "1.20×", "2.0×", "2.00 ms"))


def test_the_page_says_what_limits_celery_and_what_would_change_it():
    made = text_of(quick_sized())
    assert "chunk 4 instead of 1 saves" in made or "chunk 1 instead of 4 saves" in made


@pytest.mark.parametrize("name", ["sweep of the chunk", "sweep of the size"])
def test_each_conclusion_of_a_sweep_is_on_the_page_once(name):
    run = with_stations(RUNS[name])
    made = text_of(run)
    assert made.count('<p class="noise">') == 1
    assert changes(analyse(run))
    assert all(made.count(f"<li>{escape(each)}</li>") == 1 for each in changes(analyse(run)))


def test_a_sweep_is_described_by_its_range():
    assert "8 of 64x64 to 729x729" in text_of(RUNS["sweep of the size"])
    assert "<dd>1, 2, 3, 4, 6, 8</dd>" in text_of(RUNS["sweep of the slots"])


def test_the_command_that_repeats_the_run_is_quoted_and_has_no_password():
    arguments = ("run", "--source", "my pictures", "--broker", "redis://user:secret@host:6379/0")
    run = replace(example_run(), plan=replace(example_run().plan, arguments=arguments))
    shown = re.search(r'<code id="command">(.*?)</code>', text_of(run))
    assert shown is not None
    assert shown[1] == (
        "orchestrator run --source &#39;my pictures&#39; --broker redis://user:PASSWORD@host:6379/0"
    )


def test_a_picture_before_and_after_is_in_the_page_once():
    before = photograph(1, 0, 400, 300)
    proof = thumbnails(before, before[..., 0], "celery")
    text = text_of(replace(example_run(), proof=proof))
    assert (text.count(proof.before_png), text.count(proof.after_png)) == (1, 1)
    assert 'data-proof="before_png"' in text


def test_the_page_of_a_quick_run_is_under_3_megabytes():
    assert len(text_of(quick_sized()).encode()) < 3_000_000


def test_the_script_of_the_charts_is_bundled_once_and_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    html._library.cache_clear()
    script = html._library()
    (kept,) = (tmp_path / "breakeven").iterdir()
    assert kept.read_text(encoding="utf-8") == script
    kept.write_text("kept", encoding="utf-8")
    html._library.cache_clear()
    assert html._library() == "kept"
    html._library.cache_clear()
