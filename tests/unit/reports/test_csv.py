"""The CSV as a whole, and that it can be read again."""

from __future__ import annotations

import csv
import io

from orchestrator.analysis.analyse import analyse
from orchestrator.reports import csv as report
from tests.examples import example_run
from tests.unit.reports.snapshots import assert_as_kept


def test_text_is_as_kept():
    run = example_run()
    assert_as_kept("samples.csv", report.render(run, analyse(run)))


def test_every_sample_is_one_line_with_its_makespan_unrounded():
    run = example_run()
    read = list(csv.DictReader(io.StringIO(report.render(run, analyse(run)))))
    expected = [sample.makespan_s for result in run.cells for sample in result.samples]
    assert [float(line["makespan_s"]) for line in read] == expected
