"""Flower as a user of the stack has it: behind its password, with what has run, in a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, expect

from tests.compose.stack import Stack, docker

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

PICTURES = Path(__file__).parents[2] / "build" / "compose"
"""Where the screenshots of a test run stay; not in version control."""


@pytest.fixture(scope="module")
def url(stack: Stack) -> str:
    """Where Flower is, after the stack's comparison has run."""
    assert stack.ended("orchestrator") == 0
    return stack.flower_url


@pytest.fixture(scope="module")
def login(stack: Stack) -> tuple[str, str]:
    """User and password, had as the log of `up` says."""
    (said,) = re.findall(r"user (\w+); its password: docker compose (.+)", stack.compose("logs", "setup"))
    user, command = said
    return user, stack.compose(*command.split()[:1], "--no-TTY", *command.split()[1:])


def get(url: str, login: tuple[str, str] | None = None) -> requests.Response:
    return requests.get(url, auth=login, timeout=10, allow_redirects=False)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/workers",
        "/tasks",
        "/broker",
        "/metrics",
        "/api/workers",
        "/api/tasks",
        "/logout",
        "/static/css/flower.css",
        "/no",
    ],
)
def test_without_the_right_password_nothing_is_shown(url: str, login: tuple[str, str], path: str) -> None:
    user, password = login
    assert [get(url + path).status_code, get(url + path, (user, password[:-1])).status_code] == [401, 401]


def test_the_health_check_needs_no_password(url: str) -> None:
    assert get(f"{url}/healthcheck").text == "OK"


def test_the_password_is_made_anew_for_every_stack_and_stands_nowhere_else(
    stack: Stack, url: str, login: tuple[str, str]
) -> None:
    _, password = login
    assert re.fullmatch(r"[0-9a-f]{36}", password)
    (flower,) = stack.containers("flower")
    inspected = docker("inspect", *(container["Id"] for container in stack.containers()))
    processes = docker("top", flower["Id"], "-o", "pid,args")
    broker = stack.compose("exec", "--no-TTY", "redis", "cat", "/run/secrets/redis_password")
    assert [word for word in (password, broker) if word in inspected + processes] == []


def test_flower_listens_on_this_machine_alone_and_nobody_else_at_all(stack: Stack, url: str) -> None:
    published = {
        container["Config"]["Labels"]["com.docker.compose.service"]: ports
        for container in stack.containers()
        if (
            ports := [
                where["HostIp"]
                for bound in container["NetworkSettings"]["Ports"].values()
                for where in bound or []
            ]
        )
    }
    assert published == {"flower": ["127.0.0.1"]}


def test_the_api_names_tasks_by_stage_and_workers_by_container(
    stack: Stack, url: str, login: tuple[str, str]
) -> None:
    tasks: dict[str, Any] = get(f"{url}/api/tasks", login).json()
    workers: dict[str, Any] = get(f"{url}/api/workers?refresh=1", login).json()
    assert {task["name"] for task in tasks.values()} <= {"breakeven.grayscale", "breakeven.diagnostics"}
    assert {task["state"] for task in tasks.values()} == {"SUCCESS"}
    assert set(workers) == {f"slot1@{container['Id'][:12]}" for container in stack.containers("worker")}


def test_metrics_are_there_for_prometheus(url: str, login: tuple[str, str]) -> None:
    metrics = get(f"{url}/metrics", login).text
    assert len(re.findall(r'^flower_worker_online\{worker="slot1@[^"]+"\} 1.0$', metrics, re.MULTILINE)) == 3
    assert re.search(r'flower_events_total\{task="breakeven.grayscale",type="task-succeeded"', metrics)


def test_a_browser_shows_the_tasks_by_stage_and_the_workers(
    stack: Stack, url: str, login: tuple[str, str], browser: Browser
) -> None:
    user, password = login
    PICTURES.mkdir(parents=True, exist_ok=True)
    context = browser.new_context(http_credentials={"username": user, "password": password})
    page = context.new_page()
    page.goto(f"{url}/workers")
    expect(page.locator("#workers-online")).to_have_text("3")
    expect(page.locator("#workers-table")).to_contain_text(stack.containers("worker")[0]["Id"][:12])
    page.screenshot(path=PICTURES / "flower-workers.png")
    page.goto(f"{url}/tasks")
    expect(page.locator("#tasks-table tbody")).to_contain_text("breakeven.grayscale")
    expect(page.locator("#tasks-table tbody")).to_contain_text("SUCCESS")
    page.screenshot(path=PICTURES / "flower-tasks.png")
    context.close()


def test_a_wrong_password_opens_no_page_in_a_browser(
    url: str, login: tuple[str, str], browser: Browser
) -> None:
    context = browser.new_context(http_credentials={"username": login[0], "password": "breakeven"})
    answer = context.new_page().goto(f"{url}/tasks")
    assert answer is not None
    assert answer.status == 401
    context.close()
