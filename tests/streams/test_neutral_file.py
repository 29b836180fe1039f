import numpy as np
import pytest
from helpers.real_face import session, write_faces

from react24 import streams
from react24.clips.normalize import zscore_session
from react24.conventions import ACTION_UNITS
from react24.errors import InputError
from react24.files import contract
from react24.files.notices import read_notices
from react24.rig.student import load_student
from react24.streams import judges
from react24.streams.extract import extract_session
from react24.streams.neutral import find_subject_neutral, read_neutral

SETTINGS = {"backend": "landmarks", "weights": "face-landmarker", "focal": None}


@pytest.fixture
def corpus(tmp_path):
    """Anna rests in the first session only; Bert never."""
    mixed, grin = session(("rest", 60), ("grin", 30)), session(("grin", 90))
    first = write_faces(
        tmp_path / "faces/s1.h5", {"a": mixed, "b": grin}, {"a": "anna", "b": "bert"}
    )
    second = write_faces(
        tmp_path / "faces/s2.h5", {"a": mixed, "b": grin}, {"a": "cleo", "b": "anna"}
    )
    return first, second


def extract(stream, faces, output, settings=SETTINGS, **neutral):
    files = {"faces": faces, **neutral}
    extract_session(streams.get(stream), files, output, settings=settings)


def smile(path, role):
    return contract.read_features(path)[role].values[:, ACTION_UNITS.index(12)]


def test_rest_of_one_session_serves_the_others(corpus, tmp_path):
    neutral, alone, shared = (tmp_path / f"{name}.h5" for name in ("anna", "alone", "shared"))
    find_subject_neutral("anna", corpus, neutral, settings=SETTINGS)
    found = read_neutral(neutral)
    assert (found.how, found.frames) == ("quiet frames", 25)
    with contract.open_file(neutral, "neutral") as file:
        assert file.attrs["subject"] == "anna"
        assert file.attrs["sessions"] == 2
        assert "student_v1" in file.attrs["judge"]
    extract("graphau", corpus[1], alone)
    extract("graphau", corpus[1], shared, neutral_b=neutral)
    kinds = [[(n.kind, n.role) for n in read_notices(path)] for path in (alone, shared)]
    assert kinds == [[("face.never_quiet", "b")], []]
    assert smile(alone, "b").min() > 0.6
    # now the rig measures it, too, and finds less
    assert smile(shared, "b").min() > 0.35
    person = contract.read_features(shared)["b"]
    np.testing.assert_array_equal(person.extra["neutral"], found.face)
    assert person.attributes == {"neutral_from": "quiet frames", "neutral_frames": 25}


def test_stated_seconds_win_and_are_read_from_the_faces_file(tmp_path):
    track = session(("rest", 60), ("grin", 60))
    subjects = {"a": "anna", "b": "bert"}
    faces = write_faces(tmp_path / "s.h5", {"a": track, "b": track}, subjects, {"a": (0.4, 1.0)})
    extract("faceverse", faces, tmp_path / "f.h5")
    found = contract.read_features(tmp_path / "f.h5")
    assert found["a"].attributes == {"neutral_from": "stated", "neutral_frames": 16}
    assert found["b"].attributes["neutral_from"] == "quiet frames"
    write_faces(tmp_path / "s.h5", {"a": track, "b": track}, subjects, {"b": (60.0, 61.0)})
    with pytest.raises(InputError, match=r"s\.h5, role b: .*neutral_a or neutral_b"):
        extract("faceverse", faces, tmp_path / "f.h5")


def test_what_stands_beside_the_features_ends_at_normalization(corpus, tmp_path):
    features = tmp_path / "f.h5"
    extract("graphau", corpus[0], features)
    assert set(contract.read_features(features)["a"].extra) == {"neutral", "pose_error"}
    kept = zscore_session(features)["a"]
    assert set(kept.extra) == {"mean", "std"}
    assert kept.attributes["neutral_from"] == "quiet frames"


def test_a_person_who_is_in_no_session_is_refused(corpus, tmp_path):
    with pytest.raises(InputError, match="subject dora is in none of the face tracks"):
        find_subject_neutral("dora", corpus, tmp_path / "n.h5", settings=SETTINGS)


@pytest.mark.parametrize("stream", ["graphau", "faceverse"])
def test_backend_blendshapes_asks_the_network_alone(corpus, tmp_path, monkeypatch, stream):
    asked = []

    class Network:
        name = "network 1234 Apache-2.0"

        def scores(self, landmarks, width, height):
            asked.append((len(landmarks), width, height))
            return load_student().scores(landmarks, width, height) * 0.5

    monkeypatch.setattr(judges, "load_network", lambda weights: Network())
    settings = SETTINGS | {"backend": "blendshapes"}
    extract(stream, corpus[0], tmp_path / "f.h5", settings)
    assert asked == [(90, 512, 512)] * 2
    found = contract.read_features(tmp_path / "f.h5")["a"]
    assert found.backend == "blendshapes"
    assert "network 1234" in found.weights
    if stream == "graphau":
        # no smile of the rig's in it: half of what the student sees
        judged = load_student().scores(session(("grin", 1)).landmarks, 512, 512)[0, 43:45].mean()
        assert smile(tmp_path / "f.h5", "a")[-1] == pytest.approx(judged / 2, abs=0.05)
