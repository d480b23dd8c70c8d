"""`report`: how the name of a file chooses its format."""

from __future__ import annotations

import pytest

from orchestrator import results
from orchestrator.commands.report import report
from orchestrator.errors import UsageError
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
