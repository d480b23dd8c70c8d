"""Signs that an encoding lacks are replaced by ASCII, one character each."""

from __future__ import annotations

import codecs
import io

import pytest

from orchestrator.analysis.analyse import analyse
from orchestrator.cli import ASCII, ASCII_FALLBACK, in_ascii
from orchestrator.reports import terminal
from tests.examples import example_run


@pytest.fixture
def written():
    """Write text to a stream of an encoding, and return its bytes."""
    codecs.register_error(ASCII_FALLBACK, in_ascii)

    def write(text: str, encoding: str) -> bytes:
        raw = io.BytesIO()
        with io.TextIOWrapper(raw, encoding=encoding, errors=ASCII_FALLBACK, newline="\n") as stream:
            stream.write(text)
            stream.flush()
            return raw.getvalue()

    return write


def test_ascii_gets_one_character_for_each_sign(written):
    assert written("3 µs ±5 % 2×3 ├", "ascii") == b"3 us ~5 % 2x3 ?"
    assert {len(each) for each in ASCII.values()} == {1}


def test_an_encoding_that_has_the_signs_gets_them(written):
    assert written("3 µs ±5 %", "utf-8").decode() == "3 µs ±5 %"
    assert written("3 µs ±5 %…", "latin-1") == "3 µs ±5 %~".encode("latin-1")


def test_a_report_has_no_sign_without_a_replacement(written):
    run = example_run()
    assert b"?" not in written(terminal.render(run, analyse(run)), "ascii")
