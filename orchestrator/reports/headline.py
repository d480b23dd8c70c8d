"""The answer at a glance: a headline, and the sentence below it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.analysis.crossing import BreakEvenKind
from orchestrator.analysis.scaling_sentences import place_name, sweep_sentence
from orchestrator.analysis.sweeping import Sweep, sweeping
from orchestrator.model import Findings, Run, Verdict, VerdictWord

SWEPT: Final = ("size", "latency", "chunk")
"""Axes of work: a run along one of them asks from where Celery pays, not whether."""

DOES: dict[VerdictWord, str] = {
    "helps": "it helps in {}",
    "hurts": "it hurts in {}",
    "ties": "it makes no difference in {}",
    "inconclusive": "of {} it cannot be told yet",
    "invalid": "in {} the work was not done right",
}


@dataclass(frozen=True, slots=True)
class Headline:
    """What a reader takes away who reads nothing else."""

    text: str
    lead: str


def headline(run: Run, findings: Findings) -> Headline:
    """Whether Celery helps: against the best that one machine does without it, and then against serial."""
    if run.plan.axis in SWEPT:
        return _of_sweep(run)
    best = [each for each in findings.verdicts if each.against == "best in-process"]
    serial = [each for each in findings.verdicts if each.against == "serial"]
    if not best:
        return Headline(
            "Nothing to judge", "No stage has both a Celery cell and an in-process one to hold it against."
        )
    lead = f"Against the best that this machine does without it: {_sentence(best)}."
    if serial:
        lead += f" Against serial work: {_sentence(serial)}."
    return Headline(_answer(best), lead)


def _of_sweep(run: Run) -> Headline:
    """From where Celery pays, of a run that swept the work."""
    sweeps = sweeping(run).sweeps
    best = [each for each in sweeps if each.against == "best in-process"]
    if not best:
        return Headline(
            "Nothing to judge", "No point of the sweep has both a Celery cell and an in-process one."
        )
    lead = " ".join(sweep_sentence(each, run) for each in sweeps)
    if len(best) == 1:
        return Headline(_where(best[0], run), lead)
    pays = sum(each.found.kind in ("crosses", "several", "always") for each in best)
    return Headline(f"Celery pays somewhere in {pays or 'none'} of {len(best)} stages", lead)


def _where(sweep: Sweep, run: Run) -> str:
    stage, found = sweep.stage, sweep.found
    if found.kind == "crosses":
        crossing = found.crossings[0]
        side = "from" if crossing.pays_above else "up to"
        return f"In {stage} Celery pays {side} {place_name(sweep, run, crossing.at)}"
    answers: dict[BreakEvenKind, str] = {
        "several": f"In {stage} Celery pays in places",
        "always": f"In {stage} Celery pays wherever it was tested",
        "never": f"In {stage} Celery pays nowhere that was tested",
        "undecided": f"Where Celery pays in {stage} cannot be told yet",
    }
    return answers[found.kind]


def _answer(verdicts: Sequence[Verdict]) -> str:
    if len(verdicts) == 1:
        alone = verdicts[0]
        answers: dict[VerdictWord, str] = {
            "helps": "Celery helps in {}",
            "hurts": "Celery hurts in {}",
            "ties": "Celery makes no difference in {}",
            "inconclusive": "Whether Celery helps in {} cannot be told yet",
            "invalid": "The work of {} was not done right",
        }
        return answers[alone.verdict].format(alone.stage)
    helps = sum(each.verdict == "helps" for each in verdicts)
    if helps == len(verdicts):
        return f"Celery helps in all {helps} stages"
    return f"Celery helps in {helps or 'none'} of {len(verdicts)} stages"


def _sentence(verdicts: Sequence[Verdict]) -> str:
    """What it does, and where: `it helps in download; it hurts in decode`."""
    clauses = []
    for word, clause in DOES.items():
        stages = [each.stage for each in verdicts if each.verdict == word]
        if stages:
            clauses.append(clause.format(listed(stages)))
    return "; ".join(clauses)


def listed(words: Iterable[str]) -> str:
    """Words as a list in a sentence: `a`, `a and b`, `a, b and c`."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
