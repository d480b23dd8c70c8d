"""What a worker is called, and how Docker's name server is asked for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker import naming
from worker.__main__ import command
from worker.naming import first_label, node_name, pointer_query

QUERY = pointer_query("172.20.0.8", 0x1267)
RECORD = b"\x00\x0c\x00\x01\x00\x00\x02\x58\x00\x26\x12breakeven-worker-1\x11breakeven_default\x00"
ONE_ANSWER = b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"
NAME = QUERY[12:-4]


def answer(flags_and_counts: bytes = ONE_ANSWER, name: bytes = NAME) -> bytes:
    return QUERY[:2] + flags_and_counts + QUERY[12:] + name + RECORD


def test_the_question_names_the_address_backwards() -> None:
    assert NAME == b"\x018\x010\x0220\x03172\x07in-addr\x04arpa\x00"
    assert QUERY[-4:] == b"\x00\x0c\x00\x01"


@pytest.mark.parametrize("name", [NAME, b"\xc0\x0c"], ids=["repeated", "referred to"])
def test_the_container_is_the_first_label_of_the_answer(name: bytes) -> None:
    assert first_label(QUERY, answer(name=name)) == "breakeven-worker-1"


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x00\x00" + answer()[2:],
        answer(b"\x01\x80" + ONE_ANSWER[2:]),
        answer(b"\x81\x83" + ONE_ANSWER[2:]),
        answer(b"\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00"),
        answer().replace(b"breakeven-worker-1", b"breakeven worker 1"),
    ],
    ids=["of another question", "no answer", "no such name", "empty", "no name of a host"],
)
def test_any_other_answer_gives_no_name(wrong: bytes) -> None:
    assert first_label(QUERY, wrong) is None


@given(st.binary(max_size=80), st.integers(0, 80))
def test_no_answer_whatever_raises(noise: bytes, kept: int) -> None:
    first_label(QUERY, answer()[:kept] + noise)


def test_a_worker_is_named_by_its_slots_and_its_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming.socket, "gethostname", lambda: "3f2a9b1c7d2e")
    monkeypatch.setattr(naming, "_container_name", lambda _: "breakeven-worker-2")
    assert node_name(1) == "slot1@breakeven-worker-2.3f2a"
    assert node_name(4) == "slots1-4@breakeven-worker-2.3f2a"


def test_without_a_container_it_is_named_by_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming.socket, "gethostname", lambda: "bench1")
    monkeypatch.setattr(naming, "_container_name", lambda _: None)
    assert node_name(1) == "slot1@bench1"


def test_the_slots_asked_for_are_in_the_name_and_every_option_is_passed_on() -> None:
    made = command(["--concurrency", "3", "--loglevel", "INFO"])
    assert made[made.index("--hostname") + 1].startswith("slots1-3@")
    assert made[-4:] == ["--concurrency", "3", "--loglevel", "INFO"]
