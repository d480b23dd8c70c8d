"""`report`: how the name of a file chooses its format, and where a table can be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import results
from orchestrator.analysis.analyse import analyse
from orchestrator.commands.report import report
from orchestrator.errors import UsageError
from orchestrator.reports import terminal
from tests.examples import example_run


@pytest.fixture
def saved(tmp_path):
    """A result file."""
    path = tmp_path / "result.json"
    results.write(example_run(), path)
    return str(path)


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("r.md", "### Celery hurts in grayscale"),
        ("r.html", "<!DOCTYPE html>"),
        ("r.CSV", "stage,kernel,strategy"),
        ("r.txt", "8 images of"),
        ("r", "8 images of"),
    ],
)
def test_the_suffix_of_a_file_chooses_its_format(saved, tmp_path, name, begins):
    assert report(saved, None, str(tmp_path / name)) == 0
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)


def test_a_given_format_precedes_the_suffix(saved, tmp_path):
    report(saved, "markdown", str(tmp_path / "r.html"))
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("### Celery hurts in grayscale")


def test_the_name_of_a_picture_is_refused_because_there_are_several(saved, tmp_path):
    with pytest.raises(
        UsageError, match=r"r\.svg is one file, but there are several charts: .*--format svg$"
    ):
        report(saved, None, str(tmp_path / "r.svg"))


def test_a_file_of_text_has_every_row_if_the_user_asks_for_the_table(saved, tmp_path):
    report(saved, None, str(tmp_path / "r.txt"))
    report(saved, None, str(tmp_path / "rows.txt"), table=True)
    answer, rows = ((tmp_path / name).read_text(encoding="utf-8") for name in ("r.txt", "rows.txt"))
    assert rows == terminal.render(results.read(Path(saved)), analyse(example_run()), table=True)
    assert len(rows) > len(answer)


@pytest.mark.parametrize("name", ["r.md", "r.html", "r.csv"])
def test_a_table_is_refused_where_the_format_has_none(saved, tmp_path, name):
    with pytest.raises(UsageError, match=r"^--table has no effect on format \w+; leave it out, or give"):
        report(saved, None, str(tmp_path / name), table=True)
    assert not (tmp_path / name).exists()
