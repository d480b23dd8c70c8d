"""Payloads travel as bare bytes, and nothing but payloads travels."""

from __future__ import annotations

import os
import socket

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from worker.payloads import codec
from worker.payloads.files import Files
from worker.payloads.inline import Inline
from worker.payloads.redis import connect
from worker.payloads.transport import PayloadMissingError
from worker.settings import Settings

PIXELS = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=1, max_dims=3, max_side=9))


@given(PIXELS)
def test_pixels_come_back_as_they_went(pixels):
    raw = bytes(codec.as_bytes(pixels))
    again = codec.from_bytes(raw, codec.layout(pixels))
    assert again.dtype == pixels.dtype
    np.testing.assert_array_equal(again, pixels)


@given(PIXELS)
def test_pixels_that_are_not_contiguous_come_back_as_they_went(pixels):
    turned = pixels.T[::-1]
    raw = bytes(codec.as_bytes(turned))
    np.testing.assert_array_equal(codec.from_bytes(raw, codec.layout(turned)), turned)


@given(st.binary(max_size=200))
def test_encoded_pictures_come_back_as_they_went(encoded):
    assert codec.from_bytes(bytes(codec.as_bytes(encoded)), codec.layout(encoded)) == encoded


@given(PIXELS, st.binary(max_size=50))
def test_bytes_that_are_not_the_payload_are_no_payload(pixels, raw):
    if len(raw) != pixels.nbytes:
        with pytest.raises(PayloadMissingError, match="bytes where"):
            codec.from_bytes(raw, codec.layout(pixels))


def test_an_array_of_objects_does_not_travel():
    with pytest.raises(TypeError, match="only plain numbers travel"):
        codec.as_bytes(np.array([object()]))
    with pytest.raises(PayloadMissingError, match=r"a payload of '\|O'"):
        codec.from_bytes(b"12345678", {"size": 8, "shape": [1], "dtype": "|O"})


@pytest.mark.parametrize("key", ["../secret", "/etc/passwd", "a/b", "", ".hidden", "a\x00b", "x" * 300])
def test_a_name_from_a_message_never_leaves_the_folder(tmp_path, key):
    with pytest.raises(PayloadMissingError, match="is not the name of a payload"):
        Files(tmp_path).get({"key": key, "size": 1, "shape": None})


def outside(tmp_path):
    """A secret beside the folder, and the folder."""
    secret, folder = tmp_path / "secret", tmp_path / "payloads"
    secret.write_bytes(b"secret")
    folder.mkdir()
    return secret, folder


def test_a_link_in_the_folder_does_not_lead_out_of_it(tmp_path):
    secret, folder = outside(tmp_path)
    (folder / "breakeven-1").symlink_to(secret)
    transport = Files(folder)
    with pytest.raises(PayloadMissingError, match="breakeven-1 is not a file"):
        transport.get({"key": "breakeven-1", "size": 6, "shape": None})
    transport.put("breakeven-1", b"payload")  # takes the link's place, and does not write through it
    assert (secret.read_bytes(), (folder / "breakeven-1").read_bytes()) == (b"secret", b"payload")
    (folder / "breakeven-2").symlink_to(secret)
    transport.delete([{"key": "breakeven-2", "size": 6, "shape": None}])
    assert secret.exists()
    assert not (folder / "breakeven-2").is_symlink()


def test_what_is_no_file_is_neither_read_nor_waited_for(tmp_path):
    os.mkfifo(tmp_path / "breakeven-1")
    (tmp_path / "breakeven-2").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "breakeven-3"))
        for number in (1, 2, 3):
            with pytest.raises(PayloadMissingError, match=f"breakeven-{number} is not a file"):
                Files(tmp_path).get({"key": f"breakeven-{number}", "size": 6, "shape": None})


def test_a_file_of_another_size_is_not_read(tmp_path):
    with (tmp_path / "breakeven-1").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(PayloadMissingError, match=f"payload of {1 << 40} bytes where 6 were stored"):
        Files(tmp_path).get({"key": "breakeven-1", "size": 6, "shape": None})


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "breakeven-1").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        Files(tmp_path).put("breakeven-1", b"payload")
    assert [entry.name for entry in tmp_path.iterdir()] == ["breakeven-1"]


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
    with pytest.raises(PayloadMissingError, match="not a folder here"):
        Files.from_settings(Settings(payload_dir="/no/such/folder"))


@pytest.mark.parametrize("transport", [Inline()])
def test_a_url_is_what_the_task_is_about_and_stays_in_the_message(transport):
    assert transport.put("key", "http://host/1.jpg") == {"url": "http://host/1.jpg"}
    assert transport.get({"url": "http://host/1.jpg"}) == "http://host/1.jpg"


def test_a_payload_is_sent_to_redis_from_where_it_lies():
    pixels = codec.as_bytes(np.zeros((64, 64, 3), dtype=np.uint8))
    with connect("redis+socket:///nowhere") as client:
        command = client.connection_pool.make_connection().pack_command("SET", "key", pixels, "EX", 60)
    assert any(part is pixels for part in command)
    assert b"".join(command) == b"*5\r\n$3\r\nSET\r\n$3\r\nkey\r\n$12288\r\n" + bytes(12288) + (
        b"\r\n$2\r\nEX\r\n$2\r\n60\r\n"
    )
