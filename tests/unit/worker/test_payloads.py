"""Payloads travel as bare bytes, and nothing but payloads travels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from worker.payloads import codec
from worker.payloads.files import Files
from worker.payloads.inline import Inline
from worker.payloads.transport import PayloadMissingError
from worker.settings import Settings

PIXELS = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=1, max_dims=3, max_side=9))


@given(PIXELS)
def test_pixels_come_back_as_they_went(pixels):
    raw = bytes(codec.as_bytes(pixels))
    again = codec.from_bytes(raw, codec.describe(pixels))
    assert again.dtype == pixels.dtype
    np.testing.assert_array_equal(again, pixels)


@given(PIXELS)
def test_pixels_that_are_not_contiguous_come_back_as_they_went(pixels):
    turned = pixels.T[::-1]
    raw = bytes(codec.as_bytes(turned))
    np.testing.assert_array_equal(codec.from_bytes(raw, codec.describe(turned)), turned)


@given(st.binary(max_size=200))
def test_encoded_pictures_come_back_as_they_went(encoded):
    assert codec.from_bytes(bytes(codec.as_bytes(encoded)), codec.describe(encoded)) == encoded


@given(PIXELS, st.binary(max_size=50))
def test_bytes_that_are_not_the_payload_are_no_payload(pixels, raw):
    if len(raw) != pixels.nbytes:
        with pytest.raises(PayloadMissingError, match="bytes where"):
            codec.from_bytes(raw, codec.describe(pixels))


def test_an_array_of_objects_does_not_travel():
    with pytest.raises(TypeError, match="only plain numbers travel"):
        codec.as_bytes(np.array([object()]))
    with pytest.raises(PayloadMissingError, match="is no object array"):
        codec.from_bytes(b"12345678", {"size": 8, "shape": [1], "dtype": "|O"})


@pytest.mark.parametrize("key", ["../secret", "/etc/passwd", "a/b", "", ".hidden", "a\x00b", "x" * 300])
def test_a_name_from_a_message_never_leaves_the_folder(tmp_path, key):
    with pytest.raises(PayloadMissingError, match="is no name of a payload"):
        Files(tmp_path).get({"key": key, "size": 1, "shape": None})


def test_files_put_get_and_delete_leave_nothing(tmp_path):
    transport = Files(tmp_path)
    reference = transport.put("run:in:1", b"picture")
    assert transport.get(reference) == b"picture"
    transport.delete([reference, reference])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(PayloadMissingError, match="no payload file run:in:1"):
        transport.get(reference)


def test_files_without_a_folder_say_which_variable_names_it():
    with pytest.raises(PayloadMissingError, match="BREAKEVEN_PAYLOAD_DIR"):
        Files.from_settings(Settings())
    with pytest.raises(PayloadMissingError, match="no folder here"):
        Files.from_settings(Settings(payload_dir="/no/such/folder"))


@pytest.mark.parametrize("transport", [Inline()])
def test_a_url_is_what_the_task_is_about_and_stays_in_the_message(transport):
    assert transport.put("key", "http://host/1.jpg") == {"url": "http://host/1.jpg"}
    assert transport.get({"url": "http://host/1.jpg"}) == "http://host/1.jpg"
