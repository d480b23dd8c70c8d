"""Flower beside an embedded fleet: what it shows, to whom, and that it ends with the fleet."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import psutil
import pytest
import requests
from flower.urls import handlers

from orchestrator.commands import execute
from orchestrator.fleet import flower
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.flower import Access, start_flower
from orchestrator.inputs.synthetic import encode, photograph
from orchestrator.strategies.celery import Celery
from tests.command_line import orchestrator
from worker.contract import Task

PICTURE = photograph(1, 0, 32, 24)
BATCHES = {
    "decode": [Task(i, "decode", "asarray", encode(PICTURE)) for i in range(3)],
    "grayscale": [Task(i, "grayscale", "numpy", PICTURE) for i in range(3)],
}
CHOSEN = ["--slots", "1", "--stage", "decode", "--kernel", "asarray"]
SMALL = ["--images", "3", "--size", "32x24", "--rounds", "1", "--warmup", "0"]
RUN = [sys.executable, "-m", "orchestrator", "run", "--flower", *SMALL, *CHOSEN, "--strategy"]


@pytest.fixture(scope="module")
def watched() -> Iterator[Fleet]:
    with ChildProcesses() as processes, embedded_fleet(processes, 2, events=True, origins=()) as fleet:
        fleet.measure_clock_offsets()
        fleet.access = start_flower(processes, fleet.settings.broker_url, 2)
        with Celery(2, fleet, "redis", 2, "local") as strategy:
            for batch in BATCHES.values():
                strategy.prepare(batch)
                assert all(outcome.failure is None for outcome in strategy.run(batch))
            yield fleet


@pytest.fixture(scope="module")
def access(watched: Fleet) -> Access:
    return watched.access


def get(access: Access, path: str) -> requests.Response:
    return requests.get(f"{access.url}{path}", auth=(access.user, access.password), timeout=10)


def tasks_of(access: Access) -> list[dict]:
    """Return the tasks that Flower knows, once it knows that all messages of the batches were executed."""
    for _ in range(200):
        tasks = [each for each in get(access, "/api/tasks").json().values() if "sleep" not in each["args"]]
        if [each["state"] for each in tasks] == ["SUCCESS"] * 4:
            return tasks
    raise AssertionError(tasks)


def paths() -> list[str]:
    """Return an address for each of Flower's routes."""
    patterns = [each[0] if isinstance(each, tuple) else each.regex.pattern for each in handlers]
    addresses = {re.sub(r"\(\.[+*]\)", "x", each).rstrip("$").replace("/?", "") for each in patterns}
    return sorted(each for each in addresses if each.startswith("/"))


@pytest.mark.parametrize("password", [None, "wrong"])
def test_only_the_health_check_answers_without_the_password(access, password):
    auth = None if password is None else (access.user, password)
    answered = {}
    for path in paths():
        for method in ("GET", "POST"):
            answer = requests.request(method, f"{access.url}{path}", auth=auth, timeout=10)
            answered[method, path] = answer.status_code
    let_in = {each: code for each, code in answered.items() if code not in (401, 403, 404, 405)}
    assert let_in == {("GET", "/healthcheck"): 200}
    assert (
        answered["GET", "/tasks"]
        == answered["GET", "/metrics"]
        == answered["POST", "/api/task/apply/x"]
        == answered["GET", "/static/x"]
        == requests.get(f"{access.url}/static/css/flower.css", auth=auth, timeout=10).status_code
        == requests.get(f"{access.url}/no-such-page", auth=auth, timeout=10).status_code
        == 401
    )


def test_tasks_are_named_by_stage_and_workers_by_slot_and_host(access):
    tasks = tasks_of(access)
    assert {each["name"] for each in tasks} == {"breakeven.decode", "breakeven.grayscale"}
    assert {each["worker"] for each in tasks} <= {f"slot{n}@{socket.gethostname()}" for n in (1, 2)}


def test_arguments_are_readable_and_contain_neither_keys_nor_payloads(access):
    arguments = {(each["name"], each["args"], each["kwargs"]) for each in tasks_of(access)}
    assert arguments == {
        ("breakeven.decode", "asarray, images 0 to 1, redis", "{}"),
        ("breakeven.decode", "asarray, image 2, redis", "{}"),
        ("breakeven.grayscale", "numpy, images 0 to 1, redis", "{}"),
        ("breakeven.grayscale", "numpy, image 2, redis", "{}"),
    }


def test_metrics_count_the_tasks_of_a_stage(access):
    tasks_of(access)
    counts = re.findall(
        r'flower_task_runtime_seconds_count\{task="breakeven.decode".*\} (\S+)', get(access, "/metrics").text
    )
    assert sum(map(float, counts)) == 2


def test_the_broker_page_reads_the_run_s_queue_through_the_unix_socket(watched, access):
    # Flower may still be waiting for what it asked when it started, before there was the run's queue.
    pages = (get(access, "/broker") for _ in range(5))
    assert any(watched.run_id in page.text for page in pages)
    (messages,) = {each["messages"] for each in get(access, "/api/queues/length").json()["active_queues"]}
    assert messages == 0


def test_workers_cannot_be_changed(access):
    name = f"slot1@{socket.gethostname()}"
    auth = (access.user, access.password)
    answer = requests.post(f"{access.url}/api/worker/shutdown/{name}", auth=auth, timeout=10)
    assert answer.status_code == 403


def test_the_password_is_in_no_command_line_file_or_repr(access):
    lines = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    assert [line for line in lines if access.password in line] == []
    assert any("flower" in line for line in lines)
    assert access.password not in repr(access)


def test_it_listens_on_this_machine_only(watched, access):
    port = int(access.url.rpartition(":")[2])
    listening = [
        each for each in psutil.net_connections("inet") if each.status == "LISTEN" and each.laddr.port == port
    ]
    assert {each.laddr.ip for each in listening} == {"127.0.0.1"}


def test_another_port_is_used_if_the_default_one_is_taken():
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((flower.HOST, flower.PORT))
        except OSError:
            pass  # somebody else has it, which does as well
        else:
            taken.listen()
        assert flower._free_port(flower.PORT) != flower.PORT


def test_doctor_reports_where_flower_is_up(access, tmp_path):
    done = orchestrator("doctor", "--flower-url", access.url, cwd=tmp_path)
    assert f"flower: up at {access.url}, with a password" in done.stdout
    assert done.returncode == 0


def test_doctor_does_not_fail_without_flower_and_says_how_to_start_one(tmp_path):
    done = orchestrator("doctor", cwd=tmp_path, BREAKEVEN_FLOWER_URL="http://127.0.0.1:1")
    assert "note    flower: not up at http://127.0.0.1:1\n        -> start it with" in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize(
    "url", ["", "5555", "ftp://host", "http://", "http://host:port", "http://me:hush@host"]
)
def test_an_invalid_flower_url_is_a_usage_error_without_its_password(url):
    with pytest.raises(flower.UsageError, match=r"write http://127\.0\.0\.1:5555") as caught:
        flower.check_url(url)
    assert "hush" not in str(caught.value)


def test_a_flower_without_a_password_is_recognised(access):
    class Open(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"OK")

        def log_message(self, *_: object) -> None: ...

    with HTTPServer((flower.HOST, 0), Open) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://{flower.HOST}:{server.server_port}"
        assert (flower.is_up(url), flower.asks_for_password(url)) == (True, False)
        server.shutdown()
    assert flower.asks_for_password(access.url)


def test_a_run_with_flower_says_where_it_is_and_ends_it(tmp_path):
    done = subprocess.run(
        [*RUN, "celery"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    url, password = re.search(r"Flower: (\S+) \(user breakeven, password (\S+)\)\n", done.stderr).groups()
    assert not flower.is_up(url)
    assert "task events on" in done.stdout
    (result,) = (tmp_path / "results").glob("*.json")
    assert [each["events"] for each in json.loads(result.read_text())["environment"]["workers"]] == [True]
    assert password not in done.stdout + result.read_text() + result.with_suffix(".html").read_text()


def test_on_a_terminal_flower_stays_until_ctrl_c(tmp_path):
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [*RUN, "celery"], cwd=tmp_path, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    said = b""
    try:
        while b"press Enter" not in said:
            said += os.read(ours, 1 << 16)
        url = re.search(rb"Flower: (\S+)", said).group(1).decode()
        assert flower.is_up(url)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=30)
        assert (child.returncode, flower.is_up(url)) == (0, False)
    finally:
        child.kill()
        child.communicate()
        os.close(ours)


def test_on_a_terminal_enter_ends_the_wait(monkeypatch):
    ours, theirs = pty.openpty()
    with open(theirs, closefd=False) as typed, open(theirs, "w", closefd=False) as shown:
        monkeypatch.setattr(sys, "stdin", typed)
        monkeypatch.setattr(sys, "stderr", shown)
        waiting = Thread(target=execute._wait_for_enter)
        waiting.start()
        said = b""
        while b"press Enter" not in said:
            said += os.read(ours, 1 << 16)
        assert waiting.is_alive()
        os.write(ours, b"\n")
        waiting.join(timeout=30)
        assert not waiting.is_alive()
    os.close(theirs)
    os.close(ours)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (["celery", "--broker", "redis://127.0.0.1:1/0"], "--flower is for embedded workers"),
        (["serial"], "--flower has nothing to show without workers"),
    ],
)
def test_flower_with_nothing_to_show_is_a_usage_error(tmp_path, chosen, said):
    done = orchestrator("run", "--flower", *SMALL, *CHOSEN, "--strategy", *chosen, cwd=tmp_path)
    assert (done.returncode, said in done.stderr) == (2, True)
