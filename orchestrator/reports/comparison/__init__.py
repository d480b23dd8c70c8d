"""Two runs held against each other, as text: a file a format.

`COMPARISON_REPORTS` is the registry: a new format is one new file and one line here. A report is a pure
function of the comparison and of the two runs that it was made from, the old one first; it returns text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.analysis.verdicts.regressions import Comparison
from orchestrator.model.runs import Run
from orchestrator.reports.comparison import json as json
from orchestrator.reports.comparison import markdown as markdown
from orchestrator.reports.comparison import terminal as terminal

COMPARISON_REPORTS: Mapping[str, Callable[[Comparison, Run, Run], str]] = {
    "terminal": terminal.render,
    "markdown": markdown.render,
    "json": json.render,
}
