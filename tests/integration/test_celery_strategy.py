"""Celery on a real broker with real workers: every transport, chunk and kind of data."""

from __future__ import annotations

import io
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import redis
from PIL import Image

from orchestrator.errors import UnavailableError
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.fleet import Fleet
from orchestrator.strategies.celery import Celery, IdiomaticCelery
from tests.waiting import until
from worker.contract import Outcome, Task
from worker.stages import STAGES

ROWS = [
    (transport, chunk, data)
    for transport in ("inline", "redis", "files")
    for chunk in (1, 3, 100)
    for data in ("local", "resident")
    if not (transport == "inline" and data == "resident")
]


def pictures(count: int) -> list[np.ndarray]:
    """Return pictures of different shapes, none of them square."""
    random = np.random.default_rng(3)
    return [random.integers(0, 256, (20 + i, 31 - i, 3), dtype=np.uint8) for i in range(count)]


def gray_tasks(count: int, kernel: str = "numpy") -> list[Task]:
    return [Task(i, "grayscale", kernel, picture) for i, picture in enumerate(pictures(count))]


def done(strategy: Celery, tasks: list[Task]) -> dict[int, Outcome]:
    """Run one batch and return every outcome with its output."""
    strategy.prepare(tasks)
    outcomes = [strategy.fetch(outcome) for outcome in list(strategy.run(tasks))]
    assert sorted(outcome.task_id for outcome in outcomes) == [task.id for task in tasks]
    return {outcome.task_id: outcome for outcome in outcomes}


@pytest.mark.parametrize(("transport", "chunk", "data"), ROWS)
def test_every_transport_chunk_and_data_gives_the_reference_output(fleet: Fleet, transport, chunk, data):
    tasks = gray_tasks(7)
    with Celery(2, fleet, transport, chunk, data) as strategy:
        for _ in range(2):
            outcomes = done(strategy, tasks)
            for task in tasks:
                assert outcomes[task.id].status == "ok"
                np.testing.assert_array_equal(
                    outcomes[task.id].output, STAGES["grayscale"].reference(task.payload)
                )


@pytest.mark.parametrize("transport", ["inline", "redis", "files"])
def test_every_stage_runs_on_the_workers(fleet: Fleet, origin_url: str, transport):
    urls = [f"{origin_url}/images/{i}.jpg" for i in range(3)]
    for stage in ("download", "pipeline"):
        kernel = STAGES[stage].best
        with Celery(2, fleet, transport, 1, "local") as strategy:
            outcomes = done(strategy, [Task(i, stage, kernel, url) for i, url in enumerate(urls)])
        for i, url in enumerate(urls):
            expected = STAGES[stage].reference(url)
            assert np.array_equal(np.asarray(outcomes[i].output), np.asarray(expected))


@pytest.mark.parametrize("slots", [1, 2])
def test_only_the_chosen_slots_do_work(fleet: Fleet, slots):
    with Celery(slots, fleet, "redis", 1, "local") as strategy:
        tasks = [Task(i, "diagnostics", "sleep", "0.005") for i in range(12)]
        seen = {outcome.slot for outcome in done(strategy, tasks).values()}
    assert len(seen) == slots


@pytest.mark.parametrize("chunk", [1, 4])
def test_hops_add_up_to_the_latency_and_none_is_negative_beyond_the_clock_bound(fleet: Fleet, chunk):
    with Celery(2, fleet, "redis", chunk, "local") as strategy:
        outcomes = done(strategy, gray_tasks(8))
    for outcome in outcomes.values():
        hops = outcome.hops
        assert hops is not None
        legs = [hops.publish_s, hops.queue_s, hops.fetch_s, hops.compute_s, hops.store_s, hops.return_s]
        assert sum(legs) + hops.unexplained_s == pytest.approx(hops.latency_s)
        assert min(*legs, hops.unexplained_s) >= -hops.clock_bound_s


@pytest.mark.parametrize("transport", ["inline", "redis", "files"])
@pytest.mark.parametrize("chunk", [1, 3])
def test_a_task_that_fails_does_not_affect_the_others(fleet: Fleet, transport, chunk):
    broken = Task(1, "decode", "asarray", b"no picture")
    whole = STAGES["decode"]
    png = _png()
    tasks = [Task(0, "decode", "asarray", png), broken, Task(2, "decode", "getdata", png)]
    with Celery(2, fleet, transport, chunk, "local") as strategy:
        outcomes = done(strategy, tasks[:2])
    assert [outcomes[i].status for i in (0, 1)] == ["ok", "failed"]
    assert outcomes[1].failure.type == "DecodeError"
    with pytest.raises(ValueError, match="not a picture") as caught:
        whole.kernels["asarray"](broken.payload)
    assert outcomes[1].failure.message == str(caught.value)


def _png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (5, 4), (1, 2, 3)).save(out, "PNG")
    return out.getvalue()


def test_an_unknown_kernel_fails_its_tasks_and_is_named(fleet: Fleet):
    with Celery(1, fleet, "redis", 2, "local") as strategy:
        outcomes = done(strategy, gray_tasks(2, kernel="magic"))
    failures = {(outcome.failure.type, outcome.failure.message) for outcome in outcomes.values()}
    assert failures == {("UnknownKernelError", "grayscale has no kernel 'magic'; it has loop, numpy")}


def test_an_iterator_closed_early_leaves_the_strategy_ready_for_the_next_batch(fleet: Fleet):
    with Celery(2, fleet, "redis", 1, "local") as strategy:
        tasks = gray_tasks(30)
        strategy.prepare(tasks)
        batch = strategy.run(tasks)
        next(batch)
        batch.close()
        outcomes = done(strategy, gray_tasks(5))
        assert {outcome.status for outcome in outcomes.values()} == {"ok"}
        assert strategy.duplicated == 0


@pytest.mark.parametrize("count", [0, 1])
def test_batches_of_none_and_of_one(fleet: Fleet, count):
    with Celery(2, fleet, "redis", 4, "local") as strategy:
        assert len(done(strategy, gray_tasks(count))) == count


def test_a_task_that_kills_its_slot_each_time_fails_and_the_others_succeed(fleet: Fleet):
    tasks = [Task(0, "diagnostics", "die", ""), *(Task(i, "diagnostics", "noop", "") for i in range(1, 6))]
    with Celery(2, fleet, "redis", 1, "local") as strategy:
        outcomes = done(strategy, tasks)
    assert (outcomes[0].status, outcomes[0].failure.type) == ("failed", "WorkerLostError")
    assert {outcomes[i].status for i in range(1, 6)} == {"ok"}


def test_a_slot_that_is_killed_once_loses_nothing(fleet: Fleet):
    with Celery(2, fleet, "redis", 1, "local") as strategy:
        tasks = [Task(i, "diagnostics", "sleep", "0.05") for i in range(20)]
        strategy.prepare(tasks)
        batch = strategy.run(tasks)
        first = next(batch)
        os.kill(int(first.slot.rpartition(":")[2]), signal.SIGKILL)
        outcomes = [first, *batch]
    assert sorted(outcome.task_id for outcome in outcomes) == list(range(20))
    assert {outcome.status for outcome in outcomes} == {"ok"}


def test_no_key_and_no_file_of_a_batch_is_left(fleet: Fleet):
    with fleet.client() as client:
        before, prefixes = set(client.keys("*")), []
        for transport, data in (
            ("redis", "local"),
            ("redis", "resident"),
            ("files", "local"),
            ("inline", "local"),
        ):
            with Celery(2, fleet, transport, 2, data) as strategy:
                done(strategy, gray_tasks(5))
                prefixes.append(strategy._prefix.encode())
        # A worker acknowledges a message after it has replied, so a batch may end a moment before.
        until(lambda: not client.exists("unacked"), "every message is acknowledged")
        left = {key for key in set(client.keys("*")) - before if fleet.run_id.encode() not in key}
        # Only this test's: a reply of a slot that an earlier test killed may be published again later.
        of_ours = {key for key in client.keys("*") if any(prefix in key for prefix in prefixes)}
    assert (left, of_ours) == (set(), set())
    assert list(Path(fleet.settings.payload_dir).iterdir()) == []


def test_settings_are_in_force_on_the_workers(fleet: Fleet):
    """The workers report the settings that worker/app.py explains."""
    for conf in fleet.app.control.inspect(timeout=5).conf().values():
        assert conf["task_acks_late"] is True
        assert conf["task_reject_on_worker_lost"] is True
        assert conf["task_retry_on_worker_lost"] is True
        assert conf["worker_prefetch_multiplier"] == 1
        assert conf["accept_content"] == ["json", "msgpack"]
        assert conf["redis_retry_on_timeout"] is False
        options = conf["broker_transport_options"]
        assert conf["task_time_limit"] < options["visibility_timeout"]
        assert options["socket_timeout"] > 0
        assert options["socket_connect_timeout"] > 0
        assert options["unacked_restore_interval"] > 0


def test_publishing_is_pipelined(fleet: Fleet):
    """kombu switches it off silently if a retry setting forbids it."""
    with fleet.app.connection_for_write() as connection:
        assert connection.default_channel.supports_batch_publish


def test_a_transport_without_its_folder_is_refused_with_the_remedy(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fleet, "settings", fleet.settings.model_copy(update={"payload_dir": None}))
    with (
        pytest.raises(UnavailableError, match=r"needs BREAKEVEN_PAYLOAD_DIR: .*, or use --transport redis"),
        Celery(2, fleet, "files", 1, "local"),
    ):
        pass


def test_a_store_that_fills_up_with_resident_inputs_is_named_with_the_remedy(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise redis.OutOfMemoryError

    with Celery(2, fleet, "redis", 1, "resident") as strategy:
        monkeypatch.setattr(strategy._connection.payload_io, "prepare", full)
        with pytest.raises(UnavailableError, match=r"the broker .* is out of memory; raise its maxmemory"):
            strategy.prepare(gray_tasks(2))


def test_an_idiomatic_batch_whose_workers_die_ends_and_the_next_one_is_done(
    fleet: Fleet, processes: ChildProcesses
):
    tasks = [
        Task(0, "diagnostics", "sleep", "30"),
        *(Task(i, "diagnostics", "noop", "") for i in range(1, 4)),
    ]
    with IdiomaticCelery(2, fleet, "inline", 1, "local") as strategy:
        strategy.prepare(tasks)
        outcomes = strategy.run(tasks)
        workers = [pid for name, pid in processes.pids.items() if name.startswith("worker")]
        threading.Timer(0.5, lambda: [os.kill(pid, signal.SIGKILL) for pid in workers]).start()
        assert [outcome.status for outcome in outcomes] == ["lost"] * 4
        assert strategy.disturbance() is not None
        assert {each.status for each in done(strategy, gray_tasks(4)).values()} == {"ok"}
