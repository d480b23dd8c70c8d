"""Options without an effect are refused, and those with one are accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.errors import UsageError
from orchestrator.planning.option_checks import check_effects, check_sweep
from orchestrator.planning.options import Options

TEMPLATE = "http://host/{i}.jpg"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(target=0.1), "^--target 0.1 has no effect without --rounds auto; add that"),
        (Options(target=0.05, rounds="7"), "--target 0.05 has no effect without --rounds auto"),
        (Options(source="pictures", size="64x64"), "^--size 64x64 has no effect on --source pictures: "),
        (Options(source=TEMPLATE, size="64x64"), r"--size 64x64 has no effect on --source http://host/\{i\}"),
        (Options(source=TEMPLATE, latency_ms=0.0), "^--latency-ms 0 has no effect on --source http"),
        (Options(source=TEMPLATE, bandwidth_mbit=8.0), "^--bandwidth-mbit 8 has no effect on --source http"),
        (
            Options(strategies=("serial", "vectorized"), chunks=(4,)),
            "^--chunk 4 has no effect on serial, vectorized; add --strategy threads or processes or celery",
        ),
        (
            Options(strategies=("serial", "celery"), transports=("pickle",)),
            "^--transport pickle has no effect on serial, celery; add --strategy processes, or leave",
        ),
        (
            Options(strategies=("processes",), transports=("redis",)),
            "^--transport redis has no effect on processes; add --strategy celery, or leave",
        ),
        (Options(strategies=("serial",), transports=("no-such",)), "^--transport no-such has no effect on"),
        (Options(strategies=("serial",), data=("local",)), "^--data local .* add --strategy celery"),
        (Options(strategies=("serial",), events=("on",)), "^--events on has no effect on serial"),
        (Options(flower=True, broker="redis://h"), "^--flower is for embedded workers"),
        (
            Options(table=True, json="-"),
            "^--table has no effect with --json -, which prints no answer; leave",
        ),
        (
            Options(flower=True, strategies=("serial",)),
            "^--flower has nothing to show .*add --strategy celery",
        ),
    ],
)
def test_an_option_without_effect_is_refused_and_the_reason_named(options, message):
    with pytest.raises(UsageError, match=message):
        check_effects(options)


def test_the_secret_of_a_source_is_not_repeated():
    with pytest.raises(UsageError, match="--size") as caught:
        check_effects(Options(source="http://me:secret@host/{i}.jpg", size="64x64"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(profile="notebook"),
        Options(rounds="auto", target=0.1, budget_s=20),
        Options(size="64x64", latency_ms=5, bandwidth_mbit=8),
        Options(source="pictures", latency_ms=5, bandwidth_mbit=8),
        Options(source=TEMPLATE, profile="notebook"),
        Options(chunks=(4,)),
        Options(strategies=("serial", "celery"), chunks=(4,)),
        Options(strategies=("serial", "threads"), chunks=(4,)),
        Options(strategies=("processes",), transports=("shared-memory",), chunks=(4,)),
        Options(strategies=("serial", "celry"), chunks=(4,)),
    ],
)
def test_an_option_with_an_effect_is_accepted(options):
    check_effects(options)


@pytest.mark.parametrize(
    ("options", "axis", "message"),
    [
        (Options(size="64x64"), "size", "^--size has no effect with --axis size, which sweeps it; "),
        (Options(latency_ms=0.0), "latency", "^--latency-ms has no effect with --axis latency"),
        (Options(chunks=(1, 4)), "chunk", "^--chunk has no effect with --axis chunk"),
        (Options(stages=("decode",)), "latency", "^--axis latency changes nothing for --stage decode"),
        (Options(stages=("spin",)), "size", "^--axis size changes nothing for --stage spin"),
        (Options(images=9), "tasks", "^--images has no effect with --axis tasks"),
        (Options(work_ms=3.0), "work", "^--work-ms has no effect with --axis work"),
        (
            Options(stages=("decode",)),
            "work",
            "^--axis work sweeps the length of tasks of stage spin; leave --stage",
        ),
        (
            Options(strategies=("threads", "celery")),
            "work",
            "compares every strategy with serial; add --strategy",
        ),
        (
            Options(strategies=("serial",)),
            "work",
            "needs a strategy with several slots; add --strategy celery",
        ),
        (Options(strategies=("celery",)), "size", "^--strategy celery alone has nothing to be compared with"),
        (
            Options(strategies=("serial", "threads")),
            "size",
            "^--strategy serial without celery has no break-even",
        ),
    ],
)
def test_a_sweep_refuses_options_that_set_what_it_sweeps_or_that_do_not_follow_it(options, axis, message):
    with pytest.raises(UsageError, match=message):
        check_sweep(replace(options, command="breakeven", axis=axis))


@pytest.mark.parametrize(
    ("options", "axis"),
    [
        (Options(latency_ms=0.0, chunks=(4,)), "size"),
        (Options(size="64x64"), "latency"),
        (Options(size="64x64", latency_ms=1.0), "chunk"),
        (Options(stages=("decode", "pipeline")), "latency"),
        (Options(strategies=("serial", "celery")), "size"),
    ],
)
def test_a_sweep_accepts_options_about_what_it_does_not_sweep(options, axis):
    check_sweep(replace(options, command="breakeven", axis=axis))
