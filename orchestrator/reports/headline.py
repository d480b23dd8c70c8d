"""The answer at a glance: a headline, and the sentence below it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.model import Findings, Run, Verdict, VerdictWord

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
