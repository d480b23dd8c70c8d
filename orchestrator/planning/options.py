"""The options of the measuring commands: a field each. Loads nothing heavy, because `--help` needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from orchestrator.errors import UsageError
from orchestrator.model.choices import DEFAULT_POOL, ArrivalProcess, SweptAxis

if TYPE_CHECKING:
    from orchestrator.model.runs import Function

RUN, SCALE, BREAKEVEN, LOAD, DOCTOR = "run", "scale", "breakeven", "load", "doctor"
MEASURING: Final = (RUN, SCALE, BREAKEVEN, LOAD)
BATCHES: Final = (RUN, SCALE, BREAKEVEN)  # those that time a whole batch

AUTO: Final = "auto"  # the value of --rounds that lets a target and a budget end the run
TARGET_OF_MARGIN: Final = 0.5  # of the margin, within which intervals must be for --rounds auto to stop
BUDGET_S: Final = 300.0  # seconds that measuring may take
SWEEP_ROUNDS: Final = (
    10  # of a sweep: its points support each other, so each needs fewer than a cell of `run`
)
EFFICIENCY: Final = 0.5  # the share of its slots' time from which METG counts a task as long enough
TOLERANCE: Final = 1e-9  # relative, of floats in the outputs of a user's function
FUNCTION_BUDGET_S: Final = 60.0  # seconds that measuring a user's function may take
STDOUT: Final = "-"  # the value of --json that writes the result to standard output
EMBEDDED: Final = "embedded"  # the value of --broker that starts one here although another is configured

MAX_IMAGES: Final = 100_000
MAX_SLOTS: Final = 10_000
MAX_ROUNDS: Final = 4_000  # as many as a result file may have samples of a cell
MIN_POINTS, MAX_POINTS = 6, 50

LISTED: Final = "'orchestrator list' names them."
OPTION: Final = "option"  # the key of an `Option` in a field's metadata


@dataclass(frozen=True, slots=True)
class Option:
    """How a field of `Options` looks on the command line, and which values it may have."""

    flag: str
    help: str
    metavar: str | None = None
    commands: tuple[str, ...] = MEASURING
    default: str | bool = True  # shown in place of the field's own; False shows none
    choices: str | None = None  # the kind of name, see `option_checks.choices`
    limits: tuple[float, float] | None = None  # of its numbers
    parser: Callable[[str], Any] | None = None
    callback: Callable[[str | None], str | None] | None = None
    envvar: str | None = None


def parse_slot_count(text: str) -> int:
    """Return one number of slots."""
    digits = text.strip()
    if digits.isascii() and digits.removeprefix("-").isdigit():
        return int(digits[:9])
    hint = f"; for several: scale --slots {text}" if "," in text else ""
    raise UsageError(f"--slots {text!r} is not one whole number{hint}")


def parse_slot_counts(text: str) -> tuple[int, ...]:
    """Return the numbers of slots in a list such as `1,2,4`."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 7 for part in parts):
        raise UsageError(f"--slots {text!r} is not a list of whole numbers such as 1,2,4")
    return tuple(map(int, parts))


def broker_url(given: str | None) -> str | None:
    """Return the broker that was named or configured, `None` for an embedded one."""
    # Imported here: it loads pydantic, which --help can do without.
    from worker.settings import SettingsError, read_settings  # noqa: PLC0415

    if given is not None:
        return None if given == EMBEDDED else given
    try:
        settings = read_settings()
    except SettingsError as error:
        raise UsageError(str(error)) from None
    return settings.broker_url if "broker_url" in settings.model_fields_set else None


@dataclass(frozen=True, slots=True)
class Profile:
    """Defaults that belong together; `slots` is `None` where it follows the usable processors."""

    description: str
    images: int
    width: int
    height: int
    latency_ms: float
    bandwidth_mbit: float | None
    slots: int | None
    rounds: int
    warmup: int
    transports: tuple[str, ...]
    chunks: tuple[int, ...]
    data: tuple[str, ...]
    budget_s: float = BUDGET_S  # that measuring may take, the warm-up included
    small: tuple[int, int] | None = None  # width and height for slow kernels


PROFILES: Mapping[str, Profile] = {
    "quick": Profile(
        description="every stage, kernel and strategy within a minute on two cores, slow kernels on small pictures",
        images=8,
        width=800,
        height=800,
        latency_ms=10.0,
        bandwidth_mbit=None,
        slots=None,
        rounds=49,
        warmup=1,
        transports=("redis",),
        chunks=(1, 4),
        data=("local",),
        budget_s=40.0,
        small=(128, 96),
    ),
    "notebook": Profile(
        description="the notebook's workload: 20 pictures of 800x800 on 4 slots, every row of it",
        images=20,
        width=800,
        height=800,
        latency_ms=100.0,
        bandwidth_mbit=100.0,
        slots=4,
        rounds=7,
        warmup=1,
        transports=("redis",),
        chunks=(1, 5),
        data=("local",),
    ),
}


def of_profiles(value: Callable[[Profile], object]) -> str:
    """Return a default as help shows it, for each profile that has another: `8; notebook: 20`."""
    first, *others = ((name, str(value(each))) for name, each in PROFILES.items())
    return "; ".join((first[1], *(f"{name}: {text}" for name, text in others if text != first[1])))


def _option(flag: str, help_: str, metavar: str | None = None, *, value: Any = None, **more: Any) -> Any:
    """A field whose default is `value`, with its `Option`."""
    return field(default=value, metadata={OPTION: Option(flag, help_, metavar, **more)})


def _by_profile(
    flag: str,
    help_: str,
    metavar: str,
    value: Callable[[Profile], object],
    limits: Any = None,
    sweep: str | None = None,
    **more: Any,
) -> Any:
    """A field whose default is `value` of the profile; in `scale` and `breakeven`, `sweep`."""
    shown = of_profiles(value) + (f"; scale and breakeven: {sweep}" if sweep else "")
    return _option(flag, help_, metavar, default=shown, limits=limits, **more)


def _names(kind: str, help_: str, metavar: str = "NAME", default: str | bool = True, **more: Any) -> Any:
    """A field for the names of a kind, an option that may be repeated."""
    return _option(f"--{kind}", help_, metavar, value=(), default=default, choices=kind, **more)


@dataclass(frozen=True, slots=True)
class Options:
    """What a user asked `command` to measure; `None` or empty where the profile decides."""

    command: str = RUN
    slot_counts: tuple[int, ...] = _option(
        "--slots",
        "Numbers of slots to measure, such as 1,2,4.",
        "N,N,...",
        value=(1, 2, 3, 4),
        commands=(SCALE,),
        limits=(1, MAX_SLOTS),
        parser=parse_slot_counts,
    )
    axis: SweptAxis = _option(  # noqa: RUF009 - a field
        "--axis",
        "What is swept: size (of synthetic images), latency (of every request to our origin), chunk, tasks (in a "
        "batch), or work (the length of a spin task).",
        "size|latency|chunk|tasks|work",
        value="size",
        commands=(BREAKEVEN,),
        choices="axis",
    )
    low: float | None = _option(
        "--from",
        "Where the sweep begins: in pixels a side (size), ms (latency, work) or tasks (chunk, tasks).",
        "NUMBER",
        commands=(BREAKEVEN,),
        default=False,
    )
    high: float | None = _option(
        "--to", "Where the sweep ends, in the same unit.", "NUMBER", commands=(BREAKEVEN,), default=False
    )
    points: int = _option(
        "--points",
        "Points of the sweep, at even steps of the logarithm.",
        "N",
        value=7,
        commands=(BREAKEVEN,),
        limits=(MIN_POINTS, MAX_POINTS),
    )
    rates: str = _option(
        "--rate",
        "Tasks that arrive a second, whether or not earlier ones are done, such as 10,20,40; auto finds the largest "
        "rate that is sustained.",
        "N,N,...|auto",
        value=AUTO,
        commands=(LOAD,),
    )
    arrivals: ArrivalProcess = _option(  # noqa: RUF009 - a field
        "--arrivals",
        "How tasks arrive: poisson (independently of each other) or constant (at even steps).",
        "poisson|constant",
        value="poisson",
        commands=(LOAD,),
        choices="arrivals",
    )
    duration_s: float = _option(
        "--duration",
        "How long tasks arrive in each sample, after a warm-up.",
        "SECONDS",
        value=15.0,
        commands=(LOAD,),
        limits=(1.0, 86_400.0),
    )
    objective: str | None = _option(
        "--objective",
        "A promise, such as p95=0.5: 95 % of the tasks within 0.5 s of their arrival. A row that misses it makes the "
        "exit code 1.",
        "pNN=SECONDS",
        commands=(LOAD,),
        default=False,
    )
    efficiency: float | None = _option(
        "--efficiency",
        "With --axis work: how much of its slots' time a strategy must spend on the work (0.5 is half).",
        "SHARE",
        commands=(BREAKEVEN,),
        default=f"{EFFICIENCY:g}",
        limits=(0.05, 0.95),
    )
    profile: str = _option(
        "--profile",
        "Defaults that belong together: quick or notebook; 'orchestrator list' gives their values.",
        "NAME",
        value="quick",
        choices="profile",
    )
    function: str | None = _option(
        "--function",
        "A function of yours to measure in place of the stages: one input, one output. It is called often.",
        "PKG.MOD:NAME",
        default=False,
    )
    inputs: str | None = _option(
        "--inputs",
        "Inputs of --function: a .jsonl file, a text file (a line each), a folder (a path each), PKG.MOD:NAME of an "
        "iterable, range(N), or - for JSON lines on standard input.",
        "SPEC",
        default=False,
    )
    tasks: int | None = _option(
        "--tasks",
        "With --function: how many inputs the answer is for; by default, all of --inputs.",
        "N",
        commands=BATCHES,
        default=False,
        limits=(1, 10**9),
    )
    batch: int | None = _option(
        "--batch",
        "With --function: how many inputs a batch has, or tasks under load take in turn. 'compare' "
        "needs the same number in both runs.",
        "N",
        default="as many as the time allows",
        limits=(1, MAX_IMAGES),
    )
    tolerance: float = _option(
        "--tolerance",
        "With --function: relative difference within which floats of its outputs are equal.",
        "SHARE",
        value=TOLERANCE,
        limits=(0.0, 1.0),
    )
    no_verify: bool = _option(
        "--no-verify",
        "With --function: do not compare outputs. For a function whose output differs from call to call.",
        value=False,
        default=False,
    )
    dry_run: bool = _option(
        "--dry-run",
        "With --function: call it on a few inputs, say what would be measured, and stop.",
        value=False,
        default=False,
    )
    stages: tuple[str, ...] = _names(
        "stage",
        f"Only this stage (repeatable); {LISTED}",
        default="all but spin; scale, breakeven and load: pipeline; --axis work: spin",
    )
    kernels: tuple[str, ...] = _names("kernel", f"Only this kernel (repeatable); {LISTED}")
    strategies: tuple[str, ...] = _names("strategy", f"Only this strategy (repeatable); {LISTED}")
    transports: tuple[str, ...] = _names(
        "transport",
        f"How payloads reach Celery workers, or processes (repeatable); {LISTED}",
        default=f"{of_profiles(lambda profile: ', '.join(profile.transports))}; processes: pickle, shared-memory",
    )
    chunks: tuple[int, ...] = _option(
        "--chunk",
        "Tasks in one Celery message, or in one call of threads or processes (repeatable).",
        "N",
        value=(),
        commands=BATCHES,
        default=f"Celery: {of_profiles(lambda profile: ', '.join(map(str, profile.chunks)))}; scale and breakeven: 1",
        limits=(1, MAX_IMAGES),
    )
    data: tuple[str, ...] = _names(
        "data",
        "Where Celery's data is: local or resident (repeatable).",
        "local|resident",
        of_profiles(lambda profile: ", ".join(profile.data)),
        commands=BATCHES,
    )
    events: tuple[str, ...] = _names(
        "events", "Whether Celery's workers send task events: on or off (repeatable).", "on|off"
    )
    pools: tuple[str, ...] = _names(
        "pool",
        "How Celery's workers run tasks: prefork, solo or threads (repeatable).",
        "prefork|solo|threads",
        default=f"{DEFAULT_POOL}; with --broker, that of its workers, or {DEFAULT_POOL} if they have several",
    )
    images: int | None = _by_profile(
        "--images",
        "Images, or tasks of stage spin, in a batch.",
        "N",
        lambda profile: profile.images,
        (1, MAX_IMAGES),
    )
    size: str | None = _by_profile(
        "--size",
        "Size of the synthetic images.",
        "WIDTHxHEIGHT",
        lambda profile: f"{profile.width}x{profile.height}",
    )
    source: str = _option(
        "--source",
        "Where images come from: origin (synthetic ones), a folder, or a URL with {i} in it.",
        "SOURCE",
        value="origin",
    )
    latency_ms: float | None = _by_profile(
        "--latency-ms",
        "Latency of every request to the origin.",
        "MS",
        lambda profile: f"{profile.latency_ms:g}",
        (0.0, 60_000.0),
    )
    bandwidth_mbit: float | None = _by_profile(
        "--bandwidth-mbit",
        "Bandwidth of every connection to the origin.",
        "MBIT",
        lambda profile: "unlimited" if profile.bandwidth_mbit is None else f"{profile.bandwidth_mbit:g}",
        (0.001, 1_000_000.0),
    )
    work_ms: float | None = _option(
        "--work-ms", "How long a task of stage spin is busy.", "MS", default="10", limits=(0.001, 60_000.0)
    )
    slots: int | None = _option(
        "--slots",
        "Threads, processes and Celery slots to use.",
        "N",
        commands=(RUN, BREAKEVEN, LOAD),
        default=f"{of_profiles(lambda profile: profile.slots or 'as processors, 2 to 4')}; breakeven: 2; with "
        "--broker, its workers'",
        limits=(1, MAX_SLOTS),
        parser=parse_slot_count,
    )
    rounds: str | None = _by_profile(
        "--rounds",
        "Rounds that count, each with every cell once; auto goes on until the intervals are narrow.",
        "N|auto",
        lambda profile: profile.rounds,
        sweep=f"at most {SWEEP_ROUNDS}; --function: at most 25, as --budget allows",
        commands=BATCHES,
    )
    load_rounds: int = _option(
        "--rounds",
        "Rounds, each with every strategy at every rate once.",
        "N",
        value=3,
        commands=(LOAD,),
        limits=(1, 1_000),
    )
    target: float | None = _option(
        "--target",
        "With --rounds auto: stop when intervals are this narrow (0.05 is 5 %).",
        "SHARE",
        commands=BATCHES,
        default="half of --margin",
        limits=(0.0005, 1.0),
    )
    budget_s: float | None = _option(
        "--budget",
        "Seconds that measuring may take; fewer rounds, then smaller batches, make it fit.",
        "SECONDS",
        commands=BATCHES,
        default=f"{of_profiles(lambda profile: f'{profile.budget_s:g}')}; scale, breakeven and --rounds auto: "
        f"{BUDGET_S:g}; --function: {FUNCTION_BUDGET_S:g}; with --rounds N: none",
        limits=(1.0, 86_400.0),
    )
    warmup: int | None = _by_profile(
        "--warmup",
        "Warm-up rounds, which do not count.",
        "N",
        lambda profile: profile.warmup,
        (0, MAX_ROUNDS),
        commands=BATCHES,
    )
    seed: int = _option(
        "--seed", "Seed of the images and of the order within rounds.", "N", value=1, limits=(0, 2**32 - 1)
    )
    margin: float = _option(
        "--margin",
        "Differences smaller than this share do not matter (0.05 is 5 %).",
        "SHARE",
        value=0.05,
        limits=(0.001, 1.0),
    )
    broker: str | None = _option(
        "--broker",
        f"URL of a Redis whose workers to use, instead of embedded ones; '{EMBEDDED}' ignores the variable.",
        "URL",
        commands=(*MEASURING, DOCTOR),
        default=False,
        callback=broker_url,
        envvar="BREAKEVEN_BROKER_URL",
    )
    flower: bool = _option(
        "--flower",
        "Start Flower beside the embedded workers, and print its address.",
        value=False,
        default=False,
    )
    table: bool = _option(
        "--table", "Print every row and every warning before the answer.", value=False, default=False
    )
    output: str = _option("--output", "Folder for the result file and its report.", "FOLDER", value="results")
    json: str | None = _option(
        "--json",
        "Write the result to this file too; - writes it to standard output instead of the answer. The files in "
        "--output are written in any case.",
        "FILE",
    )
    sides: int = 1  # of a gate: as many runs share the budget
    tried: Function | None = None  # the function, as it was tried before the plan is made
    arguments: tuple[str, ...] = ()  # the whole command line without its secrets, for the result file


def option_of(field_: Field[Any]) -> Option | None:
    """Return how a field of `Options` looks on the command line, `None` if it is not an option."""
    option: Option | None = field_.metadata.get(OPTION)
    return option


def options_of(command: str) -> Mapping[str, tuple[Field[Any], Option]]:
    """Return the fields that are options of a command, in the order of its help."""
    found = ((each, option_of(each)) for each in fields(Options))
    return {each.name: (each, option) for each, option in found if option and command in option.commands}
