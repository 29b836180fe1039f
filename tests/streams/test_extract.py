"""The table of streams and the driver that all of them share."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.real_face import session, write_faces

from react24 import streams
from react24.contracts.entry_points import resolve
from react24.contracts.stream import READERS, Backend, Stream
from react24.errors import InputError
from react24.files import contract
from react24.streams.extract import extract_session, open_extractors
from react24.weights.registry import REGISTRY

BACKENDS = [
    pytest.param(stream, name, id=f"{stream.name}-{name}")
    for stream in streams.STREAMS.values()
    for name in stream.backends
]


@pytest.mark.parametrize(("stream", "name"), BACKENDS)
def test_what_the_table_names_is_there(stream, name):
    backend = stream.backends[name]
    extractors = [resolve(point) for point in backend.extractors]
    assert all(callable(extractor.extract) for extractor in extractors)
    assert callable(resolve(READERS[backend.reads]))
    assert set(backend.weights or ()) <= {"random", *REGISTRY}
    settings = set(stream.settings_model().model_fields)
    assert set(backend.settings or ()) <= settings
    assert (backend.weights is None) or "weights" in settings


@pytest.mark.parametrize("stream", streams.STREAMS.values(), ids=streams.names())
def test_extractors_have_the_width_that_the_table_says(stream):
    settings = stream.settings_model().read({}, "s").as_dict()
    made = open_extractors(stream, settings, device="cpu")
    names = tuple(name for extractor in made for name in extractor.feature_names)
    assert len(names) == stream.width
    assert isinstance(stream.columns, int) or names == stream.columns


def test_unknown_backend_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"streams\.graphau\.backend: 'swin'.*landmarks"):
        extract_session(streams.get("graphau"), {}, tmp_path / "o.h5", settings={"backend": "swin"})


def test_a_file_that_is_not_given_is_named(tmp_path):
    with pytest.raises(InputError, match=r"swin is made from media and faces .*; media not given"):
        files = {"faces": tmp_path / "faces.h5"}
        extract_session(streams.get("swin"), files, tmp_path / "o.h5", settings={})


def test_an_unknown_stream_is_refused_with_the_nearest():
    with pytest.raises(
        InputError, match=r"no stream 'vgish'; did you mean vggish\? known: graphau"
    ):
        streams.get("vgish")


class Half:
    """Half of the columns: the mean place of the face."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def extract(self, source):
        values = source.track.landmarks.mean(axis=1)[:, :1] * self.scale
        valid = source.track.valid.copy()
        valid[0] = False
        return contract.Features(values, valid, ("x",), "place", "half", True, "none")


class OtherHalf(Half):
    """The other half."""

    def extract(self, source):
        values = source.track.landmarks.mean(axis=1)[:, 1:2]
        valid = np.append(source.track.valid[:-1], False)
        return contract.Features(values, valid, ("y",), "place", "other", False, "drawn")


def place(**changes):
    here = "test_extract"
    backend = Backend("faces", (f"{here}:Half", f"{here}:OtherHalf"), "faces", settings=("scale",))
    return Stream("place", ("x", "y"), {"both": replace(backend, **changes)}, "where it is")


@pytest.fixture
def faces(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(__file__.rpartition("/")[0]))
    track = session(("rest", 5))
    return write_faces(tmp_path / "s.h5", {"a": track, "b": track}, {"a": "x", "b": "y"})


def test_a_composed_backend_sets_its_columns_side_by_side(faces, tmp_path):
    output = tmp_path / "f.h5"
    settings = {"enabled": None, "scale": 2.0, "other": 1}
    extract_session(place(), {"faces": faces}, output, settings=settings)
    made = contract.read_features(output)["a"]
    centre = session(("rest", 5)).landmarks.mean(axis=1)[:, :2]
    np.testing.assert_allclose(made.values, centre * [2, 1], rtol=1e-6)
    assert made.feature_names == ("x", "y")
    assert made.valid.tolist() == [False, True, True, True, False]
    assert (made.backend, made.pretrained, made.weights) == ("half + other", False, "none, drawn")


def test_other_columns_than_the_stream_says_are_refused(faces, tmp_path):
    alone = place(extractor="test_extract:Half")
    with pytest.raises(InputError, match=r"its extractor made 1 columns with 1 names \(x\), exp"):
        extract_session(alone, {"faces": faces}, tmp_path / "f.h5", settings={})


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"columns": 0}, "0 columns"), ({"rows": 3}, "2 columns in 3"), ({"backends": {}}, "needs a")],
)
def test_a_stream_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(place(), **changes)


def test_a_backend_reads_one_of_three_things():
    with pytest.raises(ValueError, match="reads must be one of"):
        Backend("smells", "a:B", "media")
