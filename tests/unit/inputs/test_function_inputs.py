"""What `--inputs` may name, and what is said of inputs that cannot be read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.inputs import function_inputs
from orchestrator.inputs.function_inputs import InputsError, read_inputs

MODULE = """
from pathlib import Path
PAIRS = [(1, 2.5), {"a": None}]
def numbers(): return (i * i for i in range(4))
def endless():
    while True: yield 7
def paths(): return [Path("a")]
def broken(): return 1 / 0
def late():
    yield 1
    raise OSError("gone")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with inputs of every kind."""
    path = [*sys.path]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fn_inputs.py").write_text(MODULE)
    (tmp_path / "words.txt").write_text("one\r\n\ntwo words\n")
    (tmp_path / "values.jsonl").write_text('{"a": [1, null]}\n\n"text"\n3.5\n')
    (tmp_path / "bad.jsonl").write_text('1\n{"a":\n')
    (tmp_path / "list.json").write_text("[1, 2]\n")
    (tmp_path / "standard input.jsonl").write_text("{\n")  # as the orchestrator copies it
    (tmp_path / "none.msgpack").write_text("")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "latin.txt").write_bytes(b"\xe4\n")
    (tmp_path / "photos").mkdir()
    for name in ("b.jpg", "a.jpg", ".hidden"):
        (tmp_path / "photos" / name).write_text("")
    yield tmp_path
    sys.path[:] = path
    sys.modules.pop("fn_inputs", None)


@pytest.mark.parametrize(
    ("spec", "inputs"),
    [
        ("range(3)", [0, 1, 2]),
        ("range(2, 4)", [2, 3]),
        ("range(1_000, 1_002)", [1000, 1001]),
        ("words.txt", ["one", "two words"]),
        ("values.jsonl", [{"a": [1, None]}, "text", 3.5]),
        ("photos", ["photos/a.jpg", "photos/b.jpg"]),
        ("photos/", ["photos/a.jpg", "photos/b.jpg"]),
        ("fn_inputs:PAIRS", [[1, 2.5], {"a": None}]),
        ("fn_inputs:numbers", [0, 1, 4, 9]),
    ],
)
def test_inputs_are_read_in_their_order(folder: Path, spec: str, inputs: list[Any]) -> None:
    assert read_inputs(spec, [str(folder)]) == inputs


def test_an_endless_source_is_read_up_to_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_inputs, "MAX_INPUTS", 5)
    assert read_inputs("fn_inputs:endless", [str(folder)]) == [7] * 5


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("range(0)", "--inputs range(0) has no inputs"),
        ("range(0, 9, 3)", "--inputs range(0, 9, 3) is no range; give range(N) or range(FIRST,END)"),
        ("empty.txt", "--inputs empty.txt has no inputs"),
        ("nothing.txt", "--inputs nothing.txt is not there; give a .jsonl file, a text file, a folder"),
        ("~nobodyhere/a.txt", "--inputs ~nobodyhere/a.txt is not there"),
        ("bad.jsonl", "line 2 of --inputs bad.jsonl is not JSON (Expecting value"),
        ("list.json", "jq -c '.[]' list.json > list.jsonl, and --inputs list.jsonl"),
        ("standard input.jsonl", "line 1 of standard input is not JSON"),
        ("none.msgpack", "the list of inputs has no inputs; give at least one"),
        ("latin.txt", "latin.txt cannot be read"),
        ("fn_inputs:paths", "input 1 of --inputs fn_inputs:paths is a pathlib.PosixPath; use its str()"),
        ("fn_inputs:broken", "gives no inputs (ZeroDivisionError: division by zero)"),
        ("fn_inputs:late", "gives no inputs (OSError: gone)"),
    ],
)
def test_inputs_that_cannot_be_read_are_refused_with_a_remedy(folder: Path, spec: str, says: str) -> None:
    with pytest.raises(InputsError) as refused:
        read_inputs(spec, [str(folder)])
    assert says in str(refused.value)
