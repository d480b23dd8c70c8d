from __future__ import annotations

import pytest

from orchestrator.analysis.load import most_per_s
from orchestrator.errors import UsageError
from orchestrator.measurement.open_loop import arrival_times_s
from orchestrator.model.runs import MAX_TRACED, Objective
from orchestrator.planning.load import objective_of, rates_of
from orchestrator.planning.options import Options
from tests.unit.planning.planned import planned


def options(**more) -> Options:
    return Options(**{"command": "load", "rates": "20,40", **more})


def test_every_strategy_that_takes_arrivals_is_planned_at_every_rate_with_one_task_a_message():
    plan = planned(options(slots=3))
    assert {(cell.strategy, cell.rate_per_s, cell.slots) for cell in plan.cells} == {
        (strategy, rate, 3) for strategy in ("threads", "processes", "celery") for rate in (20.0, 40.0)
    }
    assert {cell.chunk for cell in plan.cells} == {1}
    assert {cell.stage for cell in plan.cells} == {"pipeline"}
    assert (plan.rounds, plan.warmup, plan.duration_s, plan.arrivals) == (3, 0, 15.0, "poisson")


def test_a_transport_that_is_asked_for_is_planned_and_otherwise_each_strategy_takes_its_first():
    plan = planned(options(transports=("redis", "inline"), strategies=("celery",)))
    assert {cell.transport for cell in plan.cells} == {"redis", "inline"}
    assert len({cell.transport for cell in planned(options(strategies=("processes",))).cells}) == 1


def test_rates_are_sorted_and_each_occurs_once():
    assert rates_of(options(rates="40, 2.5,40,10")) == (2.5, 10.0, 40.0)


def test_a_search_has_no_rates_yet():
    plan = planned(options(rates="auto"))
    assert plan.searched
    assert {cell.rate_per_s for cell in plan.cells} == {None}


@pytest.mark.parametrize("text", ["p95=0.5", "p95 = 0.5", "p95=0.5s", "p95=5e-1"])
def test_a_promise_is_a_quantile_and_its_seconds(text):
    assert objective_of(options(objective=text)) == Objective(0.95, 0.5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rates": "0"}, "--rate '0' is not a number of tasks a second"),
        ({"rates": "-5"}, "--rate '-5' is not"),
        ({"rates": "nan"}, "--rate 'nan' is not"),
        ({"rates": "1e7"}, "--rate '1e7' is not"),
        ({"rates": "10,,20"}, "--rate '' is not"),
        ({"rates": "10;20"}, "--rate '10;20' is not"),
        (
            {"strategies": ("serial",)},
            "serial cannot take tasks as they arrive; choose --strategy threads or",
        ),
        ({"objective": "fast"}, "--objective 'fast' is not a quantile and its seconds"),
        ({"objective": "p95=0"}, "--objective 'p95=0' is not"),
        ({"objective": "p95=inf"}, "--objective 'p95=inf' is not"),
        ({"objective": "p97=1"}, "there is no p97; choose from p50, p90, p95, p99"),
        ({"rates": "0.5", "duration_s": 4.0}, "gives about 6 tasks, and 20 are needed"),
        ({"rates": "10", "duration_s": 1.0}, "gives about 30 tasks, by chance perhaps not the 20 needed"),
        ({"rates": "1", "load_rounds": 1}, "for 15 s in one round gives about 15 tasks"),
        ({"rates": "10", "objective": "p99=0.5"}, "gives about 450 tasks, and 1,000 are needed"),
        ({"rates": "10000"}, "are 170,000 tasks a sample, and at most 97,786 are kept"),
        ({"rates": "4000,5000"}, "tasks in all samples, and at most 1,000,000 are kept"),
        ({"arrivals": "bursts"}, "unknown arrivals 'bursts'; choose from poisson, constant"),
        ({"duration_s": 0.5}, "--duration 0.5 is out of range"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_give(wrong, message):
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        planned(options(**wrong))


def test_the_duration_that_a_refusal_names_is_accepted():
    short = options(rates="10", objective="p99=0.5")
    with pytest.raises(UsageError) as refused:
        planned(short)
    seconds = float(str(refused.value).split("--duration ")[1].split(",")[0])
    planned(options(rates="10", objective="p99=0.5", duration_s=seconds))


@pytest.mark.parametrize("duration_s", [1.0, 15.0, 1_000.0])
def test_a_result_keeps_the_tasks_of_the_largest_rate_with_the_bunches_of_poisson_arrivals(duration_s):
    rate = 1.005 * most_per_s(duration_s)  # as far as a search may round it
    most = max(len(arrival_times_s("poisson", rate, duration_s, (seed, 0))) for seed in range(50))
    assert 0.97 * MAX_TRACED < most <= MAX_TRACED


def test_a_rate_whose_tasks_only_fit_without_bunches_is_refused():
    with pytest.raises(UsageError, match="are 99,960 tasks a sample, and at most 97,786 are kept"):
        planned(options(rates="5880"))
