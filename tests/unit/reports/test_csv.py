"""The CSV as a whole, and that it can be read again."""

from __future__ import annotations

import csv
import io

from orchestrator.analysis.analyse import analyse
from orchestrator.reports import csv as report
from tests.examples import example_run
from tests.load_examples import load_run
from tests.unit.reports.made_runs import chunked, with_stations
from tests.unit.reports.snapshots import assert_as_kept


def test_text_is_as_kept():
    run = example_run()
    assert_as_kept("samples.csv", report.render(run, analyse(run)))


def test_every_sample_is_one_line_with_its_makespan_unrounded():
    run = example_run()
    read = list(csv.DictReader(io.StringIO(report.render(run, analyse(run)))))
    expected = [sample.makespan_s for result in run.cells for sample in result.samples]
    assert [float(line["makespan_s"]) for line in read] == expected


def test_no_two_columns_have_one_name():
    for run in (example_run(), load_run()):
        head, *_ = csv.reader(io.StringIO(report.render(run, analyse(run))))
        assert len(head) == len(set(head))


def test_what_a_batch_took_at_each_station_has_a_column_each():
    run = with_stations(chunked())
    read = list(csv.DictReader(io.StringIO(report.render(run, analyse(run)))))
    told = {(line["strategy"], line["stations_slot_s"], line["stations_broker_cpu_s"]) for line in read}
    assert told == {("serial", "", ""), ("celery", "0.005", "0.0001")}
    assert not any("(" in field for line in read for field in line.values())
