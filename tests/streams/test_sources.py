import numpy as np
import pytest

from react24.files import contract
from react24.streams.sources import heard_ticks


@pytest.mark.parametrize(
    ("start", "end", "gaps", "heard"),
    [
        (0.0, 0.4, [], range(10)),
        (0.1, 0.4, [], range(3, 10)),
        (-0.5, 0.37, [], range(9)),
        (0.0, 0.4, [(0.08, 0.13), (0.31, 0.32)], [0, 1, 4, 5, 6, 8, 9]),
    ],
)
def test_ticks_without_sound_are_known(tmp_path, start, end, gaps, heard):
    path = tmp_path / "media.h5"
    with contract.create(path, schema="media", created_by="probe_session") as file:
        file.attrs["frames"] = 10
        group = file.create_group("a")
        group.attrs.update({"sound_start": start, "sound_end": end})
        group["sound_gaps"] = np.array(gaps, float).reshape(-1, 2)
    expected = np.zeros(10, bool)
    expected[list(heard)] = True
    np.testing.assert_array_equal(heard_ticks(path, "a"), expected)
