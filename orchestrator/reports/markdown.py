"""Markdown: the answer, with the tables folded, for issues and pull requests."""

from __future__ import annotations

import re
from typing import Final

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.function import FunctionFindings
from orchestrator.model.findings import Answer, Estimate
from orchestrator.model.runs import CellResult, Run
from orchestrator.phrases.answer import (
    added_sentence,
    because,
    choice_of_kernel,
    elsewhere_sentence,
    faster,
    here,
    versus_fastest,
)
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.function import row_texts, rows_heading, trait_sentence
from orchestrator.phrases.headline import headline
from orchestrator.phrases.numbers import NONE, number, ratio_interval, seconds, spread, times
from orchestrator.phrases.recommendations import answers, changes
from orchestrator.phrases.run import INCOMPLETE, conditions_sentence, noise_sentence, workload
from orchestrator.phrases.verdicts import reason
from orchestrator.phrases.warnings import warning_text
from orchestrator.reports.escaping import in_code, in_markdown
from orchestrator.reports.load import load_markdown

HEAD: Final = "| kernel | strategy | slots | makespan | tasks/s | vs serial | vs in-process |"
RULE: Final = "| --- | --- | ---: | ---: | ---: | ---: | ---: |"


def render(run: Run, findings: Findings) -> str:
    """Return the report as Markdown: the answer, and every row folded below it."""
    said, answer = headline(findings), findings.answer
    lines = [f"### {in_markdown(said.text)}", ""]
    lines += [] if run.complete else [f"**Incomplete**: {INCOMPLETE}.", ""]
    if run.plan.axis == "rate":
        lines += load_markdown(findings)
    elif run.plan.axis is not None:
        lines += [f"- {in_markdown(sentence)}" for sentence in answers(findings)]
    elif answer.stages:
        lines += [
            in_markdown(here(run, answer)),
            "",
            *_answer(run, answer),
            "",
            in_markdown(elsewhere_sentence(answer)),
        ]
    lines += _function(findings.function) if findings.function and run.plan.axis is None else []
    added = added_sentence(answer.added) if answer.stages else ""
    lines += [
        "",
        in_markdown(
            " ".join(
                filter(
                    None,
                    (
                        added,
                        noise_sentence(findings) if findings.noise_floor else "",
                        conditions_sentence(findings),
                    ),
                )
            )
        ),
    ]
    lines += [""] if findings.warnings else []
    for warning in map(warning_text, findings.warnings):
        lines.append(f"- warning: {in_markdown(warning.message)}; {in_markdown(warning.remedy)}")
    if run.plan.axis == "rate":
        return "\n".join(lines) + "\n"
    lines += ["", "<details><summary>Every row</summary>"]
    for stage in run.stages:
        for work in run.works(stage):
            lines += ["", f"#### {in_markdown(f'{run.subject(stage)} {work}'.strip())}", "", HEAD, RULE]
            lines += [_row(result, findings) for result in run.of_work(stage, work)]
    lines.append("")
    for verdict in findings.distinct_verdicts:
        stage, why = in_markdown(verdict.subject), in_markdown(reason(verdict))
        lines.append(f"- {stage} **{verdict.verdict}** against {verdict.against}: {why}")
    lines += [f"- {in_markdown(sentence)}" for sentence in changes(findings)]
    lines += ["", "</details>", "", f"{in_code(run.command)} by Breakeven: {_measured(run)}"]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def _function(found: FunctionFindings) -> list[str]:
    """Return the time for all inputs by each row."""
    rows = [" | ".join(map(in_markdown, row_texts(each))) for each in found.rows]
    head = ["| row | slots | time | vs serial |", "| --- | ---: | ---: | --- |"]
    said = in_markdown(rows_heading(found)), in_markdown(trait_sentence(found))
    return ["", said[0], "", *head, *(f"| {row} |" for row in rows), "", said[1]]


def _answer(run: Run, answer: Answer) -> list[str]:
    lines = ["| stage | use | | Celery | verdict | because |", "| --- | --- | --- | --- | --- | --- |"]
    for each in answer.stages:
        speedup = "" if each.fastest_speedup == Estimate(1.0) else faster(each.fastest_speedup, True)
        than = versus_fastest(each)
        celery = faster(each.celery_speedup, True)
        word = f"**{each.verdict.verdict}**{in_markdown(than and f', {than}')}"
        row = (each.subject, choice_of_kernel(each.fastest, run), speedup)
        lines.append(
            f"| {' | '.join(map(in_markdown, row))} | {celery} | {word} | {in_markdown(because(each))} |"
        )
    return lines


def _measured(run: Run) -> str:
    cpu = run.environment.cpu
    return in_markdown(f"{workload(run)}, {cpu.usable:g} processors, Python {run.environment.python}")


def _row(result: CellResult, findings: Findings) -> str:
    cell = result.cell
    cells = [in_markdown(cell.kernel), in_markdown(cell_name(cell)), str(cell.slots)]
    makespan = findings.makespans.get(cell)
    if makespan is None:
        return f"| {' | '.join([*cells, *[NONE] * 4])} |"
    done = findings.throughputs.get(cell)
    cells += [f"{seconds(makespan.point)} {spread(makespan)}".strip(), number(done.point) if done else NONE]
    for ratio in (findings.versus_serial.get(cell), findings.versus_best.get(cell)):
        cells.append(f"{times(ratio)} {ratio_interval(ratio)}".strip())
    return f"| {' | '.join(cells)} |"
