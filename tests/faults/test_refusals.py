"""Workers and servers that are refused by name, with the remedy, before anything is measured."""

from __future__ import annotations

import sys

import pytest

from orchestrator.errors import UnavailableError
from orchestrator.fleet.embedded import worker_command
from orchestrator.fleet.external import external_fleet
from orchestrator.fleet.workers import find_others
from tests.faults.fleets import own_broker
from tests.waiting import until

OTHER_VERSION = """
import sys
import worker.messages
worker.messages.VERSION = 999
from celery.__main__ import main
sys.argv = ["celery", "-A", "worker.app", "worker", "--hostname", "old@world", "--concurrency", "1",
            "--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
main()
"""


def test_a_worker_of_another_version_is_refused_by_its_name_and_version():
    with own_broker() as broker:
        environment = {"BREAKEVEN_BROKER_URL": broker.url(), "PYTHONPATH": ":".join(filter(None, sys.path))}
        broker.processes.start("old", [sys.executable, "-c", OTHER_VERSION], environment)
        with broker.client() as client:
            until(lambda: client.scard("_kombu.binding.celery.pidbox"))
        with (
            pytest.raises(UnavailableError, match=r"worker old@world uses version 999 .* same release"),
            external_fleet(broker.settings()),
        ):
            pass


def test_two_workers_of_one_name_are_refused_by_it():
    with own_broker() as broker:
        for process in ("one", "other"):
            environment = {"BREAKEVEN_BROKER_URL": broker.url()}
            broker.processes.start(process, worker_command("same@world", events=False), environment)
        with broker.client() as client:
            until(lambda: sum(each["psub"] != "0" for each in client.client_list()) == 2)
        with (
            pytest.raises(UnavailableError, match=r"2 workers are called same@world.*a name of its own"),
            external_fleet(broker.settings()),
        ):
            pass


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_broker_that_would_evict_queued_tasks_is_refused(policy):
    with (
        own_broker(**{"maxmemory-policy": policy}) as broker,
        pytest.raises(UnavailableError, match=f"maxmemory-policy {policy}.*noeviction"),
        external_fleet(broker.settings()),
    ):
        pass


def test_a_payload_store_that_would_evict_is_refused():
    with own_broker() as broker:
        store = broker.start_store(**{"maxmemory-policy": "allkeys-lru"})
        with (
            pytest.raises(UnavailableError, match=r"payload store .*maxmemory-policy allkeys-lru"),
            external_fleet(broker.settings(payload_url=store)),
        ):
            pass


def test_a_worker_that_replaces_its_processes_is_refused_by_its_option():
    with own_broker() as broker:
        command = [*worker_command("brief@world", events=False), "--max-tasks-per-child", "7"]
        broker.processes.start("brief", command, {"BREAKEVEN_BROKER_URL": broker.url()})
        with (
            pytest.raises(UnavailableError, match=r"worker brief@world runs with --max-tasks-per-child 7"),
            external_fleet(broker.settings()),
        ):
            pass


SHOP = """
import sys
from celery import Celery
app = Celery("shop", broker=sys.argv[1])
app.worker_main(["worker", "--hostname", "shop@world", "--concurrency", "1", "--loglevel", "WARNING"])
"""


def test_a_worker_of_another_project_on_the_broker_is_left_out():
    with own_broker() as broker:
        broker.processes.start("shop", [sys.executable, "-c", SHOP, broker.url()])
        broker.start_worker("a")
        with broker.client() as client:
            # Ours subscribes to commands; the other one, which has gossip on, to events as well.
            until(lambda: sum(each["psub"] != "0" for each in client.client_list()) >= 3)
        with external_fleet(broker.settings()) as fleet:
            assert [worker.name for worker in fleet.workers] == ["a@world"]
            assert find_others(fleet.app, fleet.workers) == ["shop@world"]
