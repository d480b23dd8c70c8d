"""`from orchestrator import run` in a notebook: the result shows its answer as HTML, and errors are exceptions."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

RUN = """
import fn_notebook
from orchestrator import run
result = run(function=fn_notebook.twice, inputs=[1, 2.5, (3, None)], rounds=1, strategy=["serial", "threads"])
"""
OWN = """
def own(x): return x
run(function=own, inputs=[1])
"""
SLOW = "run(function=fn_notebook.picture, inputs='range(2)', progress=False)"


def test_a_notebook_shows_the_answer_as_html_and_errors_as_exceptions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fn_notebook.py").write_text(
        "def twice(x): return [x, x]\ndef picture(x):\n    from PIL import Image\n    return Image.new('RGB', (1, 1))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    shell = InteractiveShell()
    try:
        shell.run_cell(RUN).raise_error()
        assert "samples" in capfd.readouterr().err  # the bar
        shown, _ = shell.display_formatter.format(shell.user_ns["result"])
        assert "twice" in shown["text/html"]
        assert "<table>" in shown["text/html"]
        assert "Time for all 3 inputs" in shown["text/plain"]
        for cell, says in ((OWN, "own was defined here"), (SLOW, "returns a PIL.Image")):
            error = shell.run_cell(cell).error_in_exec
            assert type(error).__name__ == "UsageError"
            assert says in str(error)
        assert not (tmp_path / "results").exists()
    finally:
        sys.modules.pop("fn_notebook", None)
