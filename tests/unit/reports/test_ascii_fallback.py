"""Signs that an output cannot show are spelled out."""

from __future__ import annotations

import codecs
import io

import pytest

from orchestrator.analysis.analyse import analyse
from orchestrator.reports import terminal
from orchestrator.reports.ascii_fallback import NAME, SPELLED, spelled
from tests.examples import example_run


@pytest.fixture
def written():
    """Text as an output of an encoding gets it."""
    codecs.register_error(NAME, spelled)

    def write(text: str, encoding: str) -> bytes:
        raw = io.BytesIO()
        with io.TextIOWrapper(raw, encoding=encoding, errors=NAME, newline="\n") as stream:
            stream.write(text)
            stream.flush()
            return raw.getvalue()

    return write


def test_an_ascii_output_gets_every_sign_in_as_many_characters(written):
    assert written("3 µs ±5 % 2×3 ├", "ascii") == b"3 us ~5 % 2x3 ?"
    assert {len(spelled_) for spelled_ in SPELLED.values()} == {1}


def test_an_output_that_can_show_them_gets_the_signs(written):
    assert written("3 µs ±5 %", "utf-8").decode() == "3 µs ±5 %"
    assert written("3 µs ±5 %…", "latin-1") == "3 µs ±5 %~".encode("latin-1")


def test_a_report_needs_no_sign_that_has_no_spelling(written):
    run = example_run()
    assert b"?" not in written(terminal.render(run, analyse(run)), "ascii")
