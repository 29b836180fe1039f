import numpy as np
import pytest

from react24 import store
from react24.extractors.from_sound import heard_ticks


@pytest.mark.parametrize(
    ("start", "end", "heard"),
    [(0.0, 0.4, slice(0, 10)), (0.1, 0.4, slice(3, 10)), (-0.5, 0.37, slice(0, 9))],
)
def test_ticks_without_sound_are_known(tmp_path, start, end, heard):
    path = tmp_path / "media.h5"
    with store.create(path, schema="media", created_by="probe_session") as file:
        file.attrs["frames"] = 10
        file.create_group("a").attrs.update({"sound_start": start, "sound_end": end})
    expected = np.zeros(10, bool)
    expected[heard] = True
    np.testing.assert_array_equal(heard_ticks(path, "a"), expected)
