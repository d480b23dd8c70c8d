"""The kernels of each stage: right for every mode, format and shape, and of one mind about what is wrong."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from worker.contract import Pixels
from worker.stages import DEFAULT_STAGES, STAGES, decode, grayscale, kernel_of, stage_giving
from worker.stages.decode import DecodeError

DECODERS = [*decode.KERNELS.values(), decode.reference]
GRAYERS = [*grayscale.KERNELS.values(), grayscale.reference]

each_decoder = pytest.mark.parametrize("decoder", DECODERS, ids=lambda kernel: kernel.__name__)
each_grayer = pytest.mark.parametrize("grayer", GRAYERS, ids=lambda kernel: kernel.__name__)

WIDTH, HEIGHT = 31, 20
COLOURS = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def picture(mode: str) -> Image.Image:
    """A noisy picture that is not square, in a mode."""
    if mode == "I;16":
        return Image.fromarray((COLOURS[..., 0].astype(np.uint16) << 8) + COLOURS[..., 1])
    if mode in ("RGBA", "LA"):
        image = Image.fromarray(COLOURS).convert(mode)
        image.putalpha(Image.fromarray(COLOURS[..., 2]))
        return image
    return Image.fromarray(COLOURS).convert(mode)


def encoded(form: str, mode: str, **options: Any) -> bytes:
    """That picture in a file format."""
    file = io.BytesIO()
    picture(mode).save(file, form, **options)
    return file.getvalue()


KINDS: dict[str, bytes] = {
    "jpeg": encoded("JPEG", "RGB"),
    "jpeg progressive": encoded("JPEG", "RGB", progressive=True),
    "jpeg gray": encoded("JPEG", "L"),
    "jpeg cmyk": encoded("JPEG", "CMYK"),
    "png": encoded("PNG", "RGB"),
    "png alpha": encoded("PNG", "RGBA"),
    "png gray": encoded("PNG", "L"),
    "png gray alpha": encoded("PNG", "LA"),
    "png 16 bits": encoded("PNG", "I;16"),
    "png 1 bit": encoded("PNG", "1"),
    "png palette": encoded("PNG", "P"),
    "png palette transparent": encoded("PNG", "P", transparency=3),
    "gif": encoded("GIF", "P"),
    "gif animated": encoded("GIF", "P", save_all=True, append_images=[Image.new("P", (WIDTH, HEIGHT), 7)]),
    "bmp": encoded("BMP", "RGB"),
    "bmp palette": encoded("BMP", "P"),
    "webp": encoded("WEBP", "RGB"),
    "webp alpha lossless": encoded("WEBP", "RGBA", lossless=True),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


@each_decoder
@each_kind
def test_every_mode_and_format_decodes_as_pillow_converts_it(
    kind: str, decoder: Callable[[bytes], Pixels]
) -> None:
    with Image.open(io.BytesIO(KINDS[kind])) as image:
        converted = image.convert("RGB")
    expected: Any = [[converted.getpixel((x, y)) for x in range(WIDTH)] for y in range(HEIGHT)]
    pixels = decoder(KINDS[kind])
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert np.array_equal(pixels, expected)


@each_decoder
@pytest.mark.parametrize("kind", ["png", "bmp"])
def test_lossless_picture_decodes_to_what_was_drawn(kind: str, decoder: Callable[[bytes], Pixels]) -> None:
    assert np.array_equal(decoder(KINDS[kind]), COLOURS)


@each_decoder
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 9), (9, 1), (17, 3), (3, 17)])
def test_rows_come_first_whatever_the_shape(
    width: int, height: int, decoder: Callable[[bytes], Pixels]
) -> None:
    drawn = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
    file = io.BytesIO()
    Image.fromarray(drawn).save(file, "PNG")
    assert np.array_equal(decoder(file.getvalue()), drawn)


@each_decoder
@pytest.mark.parametrize("form", ["TIFF", "PPM", "ICO", "TGA"])
def test_other_formats_are_failures(form: str, decoder: Callable[[bytes], Pixels]) -> None:
    content = encoded(form, "RGB")
    with pytest.raises(DecodeError) as error:
        decoder(content)
    expected = f"not a picture: {len(content)} bytes are none of JPEG, PNG, WEBP, GIF, BMP"
    assert str(error.value) == expected


@each_decoder
@pytest.mark.parametrize(
    "content", [b"", b"x", b"<html>404</html>", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF"]
)
def test_garbage_is_a_failure(content: bytes, decoder: Callable[[bytes], Pixels]) -> None:
    with pytest.raises(DecodeError, match=r"^(not a|broken) picture: "):
        decoder(content)


@each_kind
@given(st.data())
@settings(max_examples=15, deadline=None)
def test_a_cut_or_altered_file_is_the_same_to_every_kernel(kind: str, data: st.DataObject) -> None:
    """The same failure with the same message, or the same pixels; never another error."""
    content = bytearray(KINDS[kind])
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    altered = bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    expected, *others = [_attempt(decoder, altered) for decoder in DECODERS]
    for other in others:
        assert type(other) is type(expected)
        assert np.array_equal(other, expected)


def _attempt(decoder: Callable[[bytes], Pixels], content: bytes) -> Pixels | str:
    with warnings.catch_warnings(action="ignore"):  # Pillow warns of broken metadata beside the pixels
        try:
            return decoder(content)
        except DecodeError as error:
            return str(error)


@each_decoder
def test_a_cut_jpeg_is_broken(decoder: Callable[[bytes], Pixels]) -> None:
    with pytest.raises(
        DecodeError, match=r"^broken picture: image file is truncated \(\d+ bytes not processed\)$"
    ):
        decoder(KINDS["jpeg"][:-60])


@each_decoder
def test_picture_over_the_limit_is_refused_by_its_claim(
    decoder: Callable[[bytes], Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "MAX_PIXELS", WIDTH * HEIGHT - 1)
    with pytest.raises(DecodeError) as error:
        decoder(KINDS["png"][:60])  # hardly more than its header: not a pixel of it is unpacked
    assert str(error.value) == f"picture is over the limit of {WIDTH * HEIGHT - 1} pixels"


@each_decoder
def test_picture_at_the_limit_is_decoded(
    decoder: Callable[[bytes], Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "MAX_PIXELS", WIDTH * HEIGHT)
    assert decoder(KINDS["jpeg"]).shape == (HEIGHT, WIDTH, 3)


shapes = st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))
pictures = shapes.flatmap(lambda shape: arrays(np.uint8, shape))
batches = st.tuples(st.integers(1, 4), shapes).flatmap(lambda both: arrays(np.uint8, (both[0], *both[1])))


def _floor_of_mean(pixels: Pixels) -> list[list[int]]:
    """The definition, in Python's own integers."""
    return [[sum(pixel) // 3 for pixel in row] for row in pixels.tolist()]


@each_grayer
@given(pixels=pictures)
@settings(max_examples=60)
def test_every_kernel_gives_the_floor_of_the_mean(pixels: Pixels, grayer: Callable[[Pixels], Pixels]) -> None:
    before = pixels.copy()
    gray = grayer(pixels)
    assert gray.dtype == np.uint8
    assert gray.shape == pixels.shape[:2]
    assert gray.flags.c_contiguous
    assert gray.tolist() == _floor_of_mean(pixels)
    assert np.array_equal(pixels, before)


@each_grayer
def test_every_sum_of_three_channels_is_divided_right(grayer: Callable[[Pixels], Pixels]) -> None:
    """All 766 sums, each in both places of a pair of pixels; 255 + 255 + 255 does not wrap."""
    sums = np.repeat(np.arange(766), 2)
    red, green = np.minimum(sums, 255), np.clip(sums - 255, 0, 255)
    pixels = np.stack([red, green, sums - red - green], axis=1).astype(np.uint8).reshape(2, 766, 3)
    assert np.array_equal(grayer(pixels).ravel(), sums // 3)
    turned = np.ascontiguousarray(pixels[..., ::-1])
    assert np.array_equal(grayer(turned).ravel(), sums // 3)


@each_grayer
@given(pixels=pictures)
@settings(max_examples=30)
def test_views_of_other_memory_are_grayed_like_copies(
    pixels: Pixels, grayer: Callable[[Pixels], Pixels]
) -> None:
    expected = _floor_of_mean(pixels)
    inside = np.zeros((pixels.shape[0] + 2, pixels.shape[1] + 1, 3), dtype=np.uint8)
    inside[1:-1, 1:] = pixels
    odd_start = np.frombuffer(b"x" + pixels.tobytes(), np.uint8)[1:].reshape(pixels.shape)
    columns_first = np.asfortranarray(pixels)
    for view in (inside[1:-1, 1:], odd_start, columns_first):
        assert grayer(view).tolist() == expected


@given(batch=batches)
@settings(max_examples=60)
def test_a_batch_is_grayed_as_its_pictures_are(batch: Pixels) -> None:
    for name, kernel in grayscale.BATCH_KERNELS.items():
        grays = kernel(list(batch))
        assert len(grays) == len(batch)
        for gray, pixels in zip(grays, batch, strict=True):
            assert gray.dtype == np.uint8
            assert np.array_equal(gray, grayscale.KERNELS[name](pixels))
            assert np.array_equal(gray, grayscale.reference(pixels))


@pytest.mark.parametrize(
    ("count", "shape"), [(1, (801, 603)), (3, (801, 603)), (40, (64, 63)), (7, (1, 99_999))]
)
def test_a_batch_larger_than_a_cache_is_grayed_as_its_pictures_are(
    count: int, shape: tuple[int, int]
) -> None:
    batch = np.random.default_rng(count).integers(0, 256, (count, *shape, 3), dtype=np.uint8)
    for kernel in grayscale.BATCH_KERNELS.values():
        for gray, pixels in zip(kernel(list(batch)), batch, strict=True):
            assert np.array_equal(gray, grayscale.reference(pixels))
            assert np.array_equal(grayscale.numpy(pixels), gray)


@each_grayer
@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float64),
    ],
)
def test_what_is_no_picture_is_refused(pixels: Any, grayer: Callable[[Pixels], Pixels]) -> None:
    with pytest.raises(ValueError, match=r"^expected \(H, W, 3\) uint8 pixels, got "):
        grayer(pixels)


@each_grayer
def test_a_picture_is_left_as_it_is(grayer: Callable[[Pixels], Pixels]) -> None:
    """A slot process gives the same array to every task whose picture lies in the same place."""
    pixels = COLOURS.copy()
    grayer(pixels)
    np.testing.assert_array_equal(pixels, COLOURS, strict=True)
    assert (pixels.strides, pixels.flags.writeable) == (COLOURS.strides, True)


@pytest.mark.parametrize("kernel", grayscale.BATCH_KERNELS.values())
def test_batch_of_different_shapes_is_refused(kernel: Callable[[list[Pixels]], list[Pixels]]) -> None:
    with pytest.raises(ValueError, match="shape"):
        kernel([np.zeros((2, 3, 3), np.uint8), np.zeros((3, 2, 3), np.uint8)])


OURS = [name for name, stage in STAGES.items() if not stage.of_user]


@pytest.mark.parametrize("stage", OURS)
def test_the_best_kernel_is_one_of_the_kernels(stage: str) -> None:
    known = STAGES[stage]
    assert kernel_of(stage, known.best) is known.kernels[known.best]
    assert set(known.batch_kernels) <= set(known.kernels)


@pytest.mark.parametrize("stage", ["decode", "grayscale", "pipeline", "spin"])
def test_what_computes_is_held_against_a_reference_of_its_own(stage: str) -> None:
    assert STAGES[stage].reference not in STAGES[stage].kernels.values()


def test_a_default_run_has_the_stages_that_say_so() -> None:
    assert tuple(name for name, stage in STAGES.items() if stage.in_default_run) == DEFAULT_STAGES


@pytest.mark.parametrize("stage", [each for each in OURS if each != "spin"])
def test_what_a_stage_takes_is_a_url_or_what_another_stage_gives(stage: str) -> None:
    known = STAGES[stage]
    assert known.takes == "url" or STAGES[stage_giving(known.takes)].gives == known.takes
    assert known.fetches_urls == (known.takes == "url")


@given(st.sampled_from(["held", "released", "waiting"]), st.integers(1, 3000), st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_every_spin_kernel_gives_what_the_reference_expects(kernel: str, amount: int, seed: int) -> None:
    payload = f"{kernel} {0.0 if kernel == 'waiting' else amount} {seed}"
    assert kernel_of("spin", kernel)(payload) == STAGES["spin"].reference(payload)


@pytest.mark.parametrize("kernel", ["held", "released"])
def test_a_spin_task_that_does_less_has_another_output(kernel: str) -> None:
    outputs = {
        kernel_of("spin", kernel)(f"{kernel} {amount} {seed}") for amount in (99, 100) for seed in (1, 2)
    }
    assert len(outputs) == 4
