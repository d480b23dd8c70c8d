"""Flower beside an embedded fleet, as its user sees it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.fleet.flower import Access, start_flower
from orchestrator.strategies.celery import Celery
from worker.contract import Task

BATCH = [Task(i, "grayscale", "numpy", "no picture") for i in range(4)]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def access() -> Iterator[Access]:
    """Flower after four tasks of a stage in two messages."""
    with ChildProcesses() as processes, embedded_fleet(processes, 1, events=True, origins=()) as fleet:
        fleet.measure_clock_offsets()
        access = start_flower(processes, fleet.settings.broker_url, 1)
        with Celery(1, fleet, "redis", 2, "local") as strategy:
            strategy.prepare(BATCH)
            list(strategy.run(BATCH))
            yield access


@pytest.fixture
def page(browser: Browser, access: Access) -> Iterator[Page]:
    context = browser.new_context(http_credentials={"username": access.user, "password": access.password})
    yield context.new_page()
    context.close()


def test_the_tasks_page_shows_stages_and_arguments_by_name(page: Page, access: Access):
    page.goto(f"{access.url}/tasks")
    rows = page.locator("#tasks-table tbody tr", has_text="breakeven.grayscale")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("numpy, images 2 to 3, redis")
    expect(rows.first).to_contain_text("slot1@")


def test_the_pages_send_requests_only_to_flower(page: Page, access: Access):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("/workers", "/tasks", "/broker"):
        page.goto(access.url + path)
        page.wait_for_load_state("networkidle")
    assert [url for url in asked if not url.startswith((access.url, "data:"))] == []


def test_without_the_password_there_is_nothing_to_see(browser: Browser, access: Access):
    context = browser.new_context()
    with pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):
        context.new_page().goto(f"{access.url}/tasks")
    context.close()
