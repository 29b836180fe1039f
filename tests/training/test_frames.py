"""Windows of face pictures by row of a clips file."""

import numpy as np
import pytest
import torch
from helpers.faces_factory import write_session
from helpers.media_factory import read_number

from react24.errors import InputError
from react24.files import contract
from react24.training.dataset import FaceFiles, FrameReader


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    return {name: FaceFiles(*write_session(folder, name, 100)) for name in ("s0", "s1")}


def index_of(rows):
    """Rows of (session, role, start)."""
    index = np.zeros(len(rows), contract.INDEX_DTYPE)
    for row, (session, role, start) in enumerate(rows):
        index[row] = (session.encode(), role.encode(), b"x", 0, 1, start)
    return index


INDEX = index_of([("s0", "a", 0), ("s1", "a", 40), ("s0", "b", 0), ("s1", "b", 40)])


def numbers(pictures):
    return [[read_number(p.permute(1, 2, 0).numpy()) for p in window] for window in pictures]


@pytest.mark.parametrize("threads", [1, 3])
def test_windows_show_the_frames_asked_for(sessions, threads):
    reader = FrameReader(sessions, INDEX, size=64, threads=threads)
    rows, starts = torch.tensor([0, 3, 1, 0]), torch.tensor([7, 0, 52, 92])
    found = reader.read(rows, starts, 8)
    assert found.shape == (4, 8, 3, 64, 64)
    assert found.dtype == torch.uint8
    firsts = [7, 1040, 92, 92]
    assert numbers(found) == [list(range(first, first + 8)) for first in firsts]


def test_another_size_shows_the_same(sessions):
    found = FrameReader(sessions, INDEX, size=32).read(torch.tensor([2]), torch.tensor([5]), 2)
    assert numbers(found) == [[1005, 1006]]


def test_a_window_that_ends_after_the_video_is_refused(sessions):
    reader = FrameReader(sessions, INDEX, size=64)
    with pytest.raises(InputError, match=r"role a: frames 95 to 102 .* only 5 of them"):
        reader.read(torch.tensor([1]), torch.tensor([55]), 8)


def test_sessions_without_pictures_are_named(sessions):
    index = index_of([("s0", "a", 0), ("s7", "a", 0)])
    with pytest.raises(InputError, match="s7"):
        FrameReader(sessions, index)
