"""What each stage's tasks take and must give; the network is a dictionary here."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from orchestrator.errors import UnavailableError
from orchestrator.inputs import workload
from orchestrator.inputs.synthetic import encode, photograph
from orchestrator.inputs.workload import Workload, prepare, verify
from worker.contract import Failure, Outcome, Payload, Task
from worker.execution import execute
from worker.stages import STAGES, decode, grayscale
from worker.stages.download import DownloadError


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photograph(1, 0, width, height)).save(file, "PNG")
    return file.getvalue()


GOOD, OTHER, BROKEN, GONE = "http://h/good", "http://h/other", "http://h/broken", "http://h/gone"
WEB = {GOOD: encode(photograph(0, 0, 30, 20)), OTHER: png(9, 17), BROKEN: b"no picture"}
NOT_THERE = Failure("DownloadError", f"{GONE} answered 404 Not Found")
NO_PICTURE = Failure("DecodeError", "not a picture: 10 bytes are none of JPEG, PNG, WEBP, GIF, BMP")


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Replace the network by `WEB`, and count what the reference kernels were asked for."""
    counted: Counter[str] = Counter()

    def fetch(url: str) -> bytes:
        counted["download"] += 1
        if url not in WEB:
            raise DownloadError(f"{url} answered 404 Not Found")
        return WEB[url]

    def counting_decode(encoded: bytes) -> Payload:
        counted["decode"] += 1
        return decode.reference(encoded)

    monkeypatch.setattr("worker.stages.download.reference", fetch)
    changed = {
        "download": replace(STAGES["download"], reference=fetch),
        "decode": replace(STAGES["decode"], reference=counting_decode),
    }
    monkeypatch.setattr(workload, "STAGES", {**STAGES, **changed})
    return counted


def same(expected: Payload | Failure, other: Payload | Failure) -> bool:
    if isinstance(other, Failure):
        return verify(expected, Outcome(0, failure=other))
    return verify(expected, Outcome(0, other))


def test_each_stage_takes_the_pictures_that_got_so_far() -> None:
    made = prepare([GOOD, GONE, BROKEN, OTHER])
    assert {0: GOOD, 1: GONE, 2: BROKEN, 3: OTHER} == made.payloads["download"] == made.payloads["pipeline"]
    assert {0: WEB[GOOD], 2: WEB[BROKEN], 3: WEB[OTHER]} == made.payloads["decode"]
    assert list(made.payloads["grayscale"]) == [0, 3]


def test_what_must_come_of_each_task_is_the_references_word() -> None:
    made = prepare([GOOD, GONE, BROKEN, OTHER])
    good, other = decode.reference(WEB[GOOD]), decode.reference(WEB[OTHER])
    assert {0: WEB[GOOD], 1: NOT_THERE, 2: WEB[BROKEN], 3: WEB[OTHER]} == made.expected["download"]
    expected: dict[str, dict[int, Payload | Failure]] = {
        "decode": {0: good, 2: NO_PICTURE, 3: other},
        "grayscale": {0: grayscale.reference(good), 3: grayscale.reference(other)},
        "pipeline": {
            0: grayscale.reference(good),
            1: NOT_THERE,
            2: NO_PICTURE,
            3: grayscale.reference(other),
        },
    }
    for stage, results in expected.items():
        assert list(results) == list(made.expected[stage])
        assert all(same(result, made.expected[stage][i]) for i, result in results.items())


def test_a_tasks_id_is_its_pictures_index() -> None:
    made = prepare([GONE, GOOD], ["decode"])
    assert (Task(1, "decode", "getdata", WEB[GOOD]),) == made.tasks("decode", "getdata")


def test_every_in_memory_kernel_meets_the_expectation() -> None:
    made = prepare([GOOD, GONE, BROKEN, OTHER])
    for stage in ("decode", "grayscale"):
        for kernel in STAGES[stage].kernels:
            outcomes = [execute(task) for task in made.tasks(stage, kernel)]
            assert all(verify(made.expected[stage][outcome.task_id], outcome) for outcome in outcomes)


def test_pixels_among_the_payloads_are_ordinary_arrays_with_their_own_memory() -> None:
    made = prepare([GOOD, OTHER], ["grayscale"])
    for pixels in made.payloads["grayscale"].values():
        assert isinstance(pixels, np.ndarray)
        assert type(pixels) is np.ndarray
        assert pixels.base is None
        assert pixels.flags.owndata
        assert pixels.flags.c_contiguous
        assert np.uint8 == pixels.dtype
    assert np.shape(made.payloads["grayscale"][0]) == (20, 30, 3)
    assert np.shape(made.payloads["grayscale"][1]) == (17, 9, 3)


def test_only_what_the_asked_for_stages_need_is_worked_out(calls: Counter[str]) -> None:
    made = prepare([GOOD, OTHER], ["download"])
    assert calls == {"download": 3}  # one twice, to see whether the source is steady
    assert (list(made.payloads), list(made.expected)) == (["download"], ["download"])


def test_one_decoding_serves_decode_and_grayscale(calls: Counter[str]) -> None:
    prepare([GOOD, OTHER], ["grayscale", "decode"])
    assert calls == {"download": 2, "decode": 2}


def test_nothing_downloaded_names_the_first_failure_and_the_remedy() -> None:
    with pytest.raises(UnavailableError) as error:
        prepare([GONE, GONE + "2"])
    assert (
        f"none of 2 images could be downloaded; the first: {GONE} answered 404 Not Found; "
        "check --source, and that its server answers from here"
    ) == str(error.value)


def test_no_urls_at_all_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="the source has no images"):
        prepare([])


def test_pictures_none_of_which_decode_leave_no_grayscale_tasks() -> None:
    made = prepare([BROKEN])
    assert made.tasks("grayscale", "numpy") == ()
    assert {0: NO_PICTURE} == made.expected["decode"] == made.expected["pipeline"]


PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


@pytest.mark.parametrize(
    ("expected", "outcome", "right"),
    [
        (PIXELS, Outcome(0, PIXELS.copy()), True),
        (PIXELS, Outcome(0, np.frombuffer(PIXELS.tobytes(), np.uint8).reshape(2, 4, 3)), True),
        (PIXELS, Outcome(0, PIXELS.reshape(4, 2, 3)), False),
        (PIXELS, Outcome(0, PIXELS.astype(np.uint16)), False),
        (PIXELS, Outcome(0, PIXELS + np.uint8(1)), False),
        (PIXELS, Outcome(0, PIXELS.tobytes()), False),
        (PIXELS, Outcome(0), False),
        (PIXELS, Outcome(0, failure=NO_PICTURE), False),
        (b"bytes", Outcome(0, b"bytes"), True),
        (b"bytes", Outcome(0, b"byteS"), False),
        (b"bytes", Outcome(0, PIXELS), False),
        (b"", Outcome(0), False),
        (NO_PICTURE, Outcome(0, failure=Failure(NO_PICTURE.type, NO_PICTURE.message)), True),
        (NO_PICTURE, Outcome(0, failure=Failure("Other", NO_PICTURE.message)), False),
        (NO_PICTURE, Outcome(0, failure=Failure(NO_PICTURE.type, "other")), False),
        (NO_PICTURE, Outcome(0, PIXELS), False),
        (NO_PICTURE, Outcome(0), False),
    ],
)
def test_an_outcome_is_right_only_where_all_of_it_agrees(
    expected: Payload | Failure, outcome: Outcome, right: bool
) -> None:
    assert right is verify(expected, outcome)


def test_a_workload_does_not_print_its_pictures() -> None:
    assert repr(Workload({"decode": {0: b"x" * 1000}}, {})) == "Workload()"


@pytest.mark.parametrize("stage", ["download", "pipeline"])
def test_a_source_that_gives_another_picture_each_time_is_refused_where_downloads_are_checked(
    monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    pictures = iter(range(9))
    webcam = replace(STAGES["download"], reference=lambda _: encode(photograph(0, next(pictures), 30, 20)))
    monkeypatch.setattr(workload, "STAGES", {**workload.STAGES, "download": webcam})
    with pytest.raises(UnavailableError, match=f"source gives another picture each time .{GOOD}."):
        prepare([GOOD], [stage])
    assert prepare([GOOD], ["decode"]).tasks("decode", "asarray")
