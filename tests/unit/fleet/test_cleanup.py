"""What is deleted of a run that has ended or was killed, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery import Celery

from orchestrator.fleet import cleanup
from orchestrator.fleet import fleet as fleet_module
from orchestrator.fleet.consumers import Consumers
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.run_queue import RunQueue
from orchestrator.model.environment import Broker
from worker.payloads.files import Files
from worker.settings import Settings

RUN = "breakeven-0123456789ab"
NOWHERE = "redis://127.0.0.1:1/0"
OTHERS = ("breakeven-0123456789abc-1", "breakeven-ba9876543210-1", f"copy-of-{RUN}-1", "holiday.jpg")


def stored(folder: Path, run_id: str) -> set[str]:
    """Store what a run with resident data stores, beside files of others; return the names of those."""
    files = Files(folder)
    files.put_many([(f"{run_id}-0a1b2c3d-input-0", b"input"), (f"{run_id}-0a1b2c3d-0:out:0", b"output")])
    (folder / f"{run_id}-0a1b2c3d-1:out:1.5e6f7a8b.part").write_bytes(b"half")  # its worker was killed
    for name in OTHERS:
        (folder / name).write_bytes(b"theirs")
    (folder / f"{run_id}-folder").mkdir()
    return {*OTHERS, f"{run_id}-folder"}


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_cleanup_of_a_killed_run_deletes_its_payload_files_even_without_its_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = stored(tmp_path, RUN)
    monkeypatch.setenv("BREAKEVEN_BROKER_URL", NOWHERE)
    monkeypatch.setenv("BREAKEVEN_PAYLOAD_DIR", str(tmp_path))

    def gone(_: RunQueue) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(RunQueue, "purge", gone)
    with pytest.raises(ConnectionRefusedError):
        cleanup.main(RUN)
    assert left(tmp_path) == theirs


def test_a_fleet_that_closes_deletes_the_payload_files_of_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(broker_url=NOWHERE, payload_dir=str(tmp_path))
    fleet = Fleet(Celery(broker=NOWHERE), settings, Broker("redis", "8", False), [])
    theirs = stored(tmp_path, fleet.run_id)
    monkeypatch.setattr(RunQueue, "length", lambda _: 0)
    monkeypatch.setattr(Consumers, "cancel", lambda *_: None)
    monkeypatch.setattr(fleet_module, "delete_run", lambda *_: None)
    fleet.close()
    assert fleet.is_cleaned_up
    assert left(tmp_path) == theirs


def test_a_folder_that_is_gone_does_not_stop_the_cleanup(tmp_path: Path) -> None:
    cleanup.delete_files(Settings(broker_url=NOWHERE, payload_dir=str(tmp_path / "gone")), RUN)
    cleanup.delete_files(Settings(broker_url=NOWHERE), RUN)
