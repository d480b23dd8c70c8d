"""What a notebook shows of a result, in a browser: the answer, and the time for all inputs by each row."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from orchestrator.api import Result
from tests.unit.analysis.test_function import WAITS, made


def test_the_answer_and_its_rows_are_shown_without_the_page_s_own_style(browser: Browser) -> None:
    result = Result(made(WAITS, serial=0.1, threads=0.05))
    page = browser.new_page()
    page.set_content(f"<html><body>{result._repr_html_()}</body></html>")
    expect(page.locator("strong")).to_have_text(result.answer.text)
    expect(page.locator("caption")).to_contain_text("Time for all 1,000 inputs of jobs:f")
    expect(page.locator("table tr").nth(1)).to_contain_text("threads")
    expect(page.locator("pre")).to_be_hidden()
    page.locator("summary").click()
    expect(page.locator("pre")).to_contain_text("waits 96 % of its time")
    page.close()
