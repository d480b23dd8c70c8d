"""`origin`: what it announces, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from orchestrator.commands.origin import origin
from orchestrator.errors import UnavailableError, UsageError
from orchestrator.inputs import image_server

URL = "http://127.0.0.1:8000"


@pytest.fixture(autouse=True)
def _nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is ready at once, and ends."""
    monkeypatch.setattr(image_server, "serve", lambda _, ready: ready(URL))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of three pictures, which an origin serves in name order."""
    for name in ("a.png", "b.png", "c.bmp"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    return tmp_path


def test_a_folder_is_announced_with_its_number_of_files_and_their_addresses(pictures, capsys):
    assert origin(directory=str(pictures)) == 0
    assert capsys.readouterr().out == (
        f"serving 3 files of {pictures} at {URL}/images/0.png to /images/2.bmp; Ctrl-C ends it\n"
    )


def test_every_file_of_a_folder_is_served(tmp_path, capsys):
    for number in range(25):
        (tmp_path / f"{number:02}.png").touch()
    assert origin(directory=str(tmp_path)) == 0
    assert capsys.readouterr().out.startswith("serving 25 files of ")


def test_a_part_of_a_folder_is_announced_as_that(pictures, capsys):
    assert origin(directory=str(pictures), images=1) == 0
    assert capsys.readouterr().out == f"serving 1 file of {pictures} at {URL}/images/0.png; Ctrl-C ends it\n"


def test_synthetic_images_are_twenty_by_default(capsys):
    assert origin() == 0
    assert capsys.readouterr().out == (
        f"serving 20 images at {URL}/images/0.jpg to /images/19.jpg; Ctrl-C ends it\n"
    )


def test_the_form_of_an_address_on_demand_is_announced(pictures, capsys):
    assert origin(directory=str(pictures), on_demand=True) == 0
    assert capsys.readouterr().out == (
        f"serving images on demand at {URL}/synthetic/SEED/WIDTHxHEIGHT/N.jpg, and the files of {pictures} at "
        f"{URL}/files/NAME; Ctrl-C ends it\n"
    )


@pytest.mark.parametrize("option", [{"size": "64x64"}, {"seed": 0}])
def test_files_of_a_folder_have_no_size_and_no_seed_to_set(pictures, option):
    ((name, value),) = option.items()
    with pytest.raises(UsageError, match=f"^--{name} {value} has no effect with --directory, .*; leave one"):
        origin(directory=str(pictures), **option)


@pytest.mark.parametrize(
    "option", [{"images": 3}, {"size": "64x64"}, {"seed": 0}, {"latency_ms": 0.0}, {"bandwidth_mbit": 8.0}]
)
def test_on_demand_refuses_options_that_each_address_sets(option):
    ((name, value),) = option.items()
    with pytest.raises(
        UsageError, match=f"^--{name.replace('_', '-')} {value} has no effect with --on-demand"
    ):
        origin(on_demand=True, **option)


@pytest.mark.parametrize("folder", ["no/such", "~nobodyhere/pictures"])
def test_a_missing_folder_is_refused_on_demand_too(folder):
    with pytest.raises(
        UnavailableError, match=f"^--directory {folder} is no folder; name a folder of pictures"
    ):
        origin(directory=folder, on_demand=True)


def test_a_folder_without_pictures_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(UnavailableError, match="holds no pictures; put some directly into it"):
        origin(directory=tmp_path)
