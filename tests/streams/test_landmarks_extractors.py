import numpy as np
import pytest
from helpers.rig_motion import move_head

from react24.conventions import EMOTION_NAMES, EXPRESSIONS
from react24.errors import InputError
from react24.rig.model import load_rig
from react24.rig.shapes import NAMES
from react24.streams.faceverse.landmarks import LandmarksFaceVerse
from react24.streams.graphau.landmarks import LandmarksGraphAU, emotion_vector, lip_parting
from react24.streams.sources import FaceSource

OFFICIAL = [f"AU{n}" for n in (1, 2, 4, 6, 7, 9, 10, 12, 14, 15, 17, 23, 24, 25, 26)]
OFFICIAL += ["valence", "arousal"]
OFFICIAL += ["Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger", "Contempt"]


def face(**shapes):
    coefficients = np.zeros((1, 52), np.float32)
    for name, value in shapes.items():
        sides = [name] if name in NAMES else [f"{name}Left", f"{name}Right"]
        for side in sides:
            coefficients[0, NAMES.index(side)] = value
    return dict(zip(EMOTION_NAMES, emotion_vector(coefficients)[0], strict=True))


def likeliest(values):
    return max(EXPRESSIONS, key=values.get)


def test_names_of_both_streams():
    assert list(LandmarksGraphAU.feature_names) == OFFICIAL
    names = LandmarksFaceVerse.feature_names
    assert names[:52] == NAMES
    assert names[52:] == tuple(
        f"{kind}_{axis}" for kind in ("rotation", "translation") for axis in "xyz"
    )


def test_graphau_features_have_the_promised_shape_and_ranges():
    moved = move_head(frames=120)
    moved.valid[3] = False
    features = LandmarksGraphAU().extract(FaceSource(moved))
    values = features.values
    assert values.shape == (120, 25)
    assert values.dtype == np.float32
    assert (values[:, :15] >= 0).all()
    assert (values[:, :15] <= 1).all()
    assert (np.abs(values[:, 15:17]) <= 1).all()
    np.testing.assert_allclose(values[:, 17:].sum(1), 1.0, atol=1e-5)
    assert (values[:, 17:] > 0).all()
    assert features.valid.sum() == 119
    assert (features.stream, features.backend, features.pretrained) == (
        "graphau",
        "landmarks",
        True,
    )
    assert features.weights.startswith(f"drawn, {load_rig().version}, ")
    assert "rig_v1" in features.weights
    assert "student_v1" in features.weights
    assert "Apache-2.0" in features.weights
    assert features.extra["neutral"].shape == (478, 3)
    assert features.extra["pose_error"].shape == (120,)
    assert features.attributes["neutral_from"] in ("quiet frames", "no quiet frame")


def test_faceverse_features_are_the_solution():
    moved = move_head(frames=120)
    features = LandmarksFaceVerse().extract(FaceSource(moved))
    assert features.values.shape == (120, 58)
    assert features.values.dtype == np.float32
    assert (features.values[:, :52] >= 0).all()
    assert (features.values[:, :52] <= 1).all()
    for name in ("cheekPuff", "jawForward", "tongueOut"):
        assert not features.values[:, NAMES.index(name)].any()
    rotation = features.values[:, 52:55]
    assert np.degrees(np.median(np.abs(rotation - moved.rotation))) < 1.5
    # 90 pixels per unit and a focal length of 256 put the head 2.8 units away
    assert np.median(features.values[:, 57]) == pytest.approx(256 / 90, rel=0.05)


def test_focal_length_moves_the_head_and_leaves_the_face():
    moved = move_head(frames=60)
    near, far = (
        LandmarksFaceVerse().extract(FaceSource(moved)),
        LandmarksFaceVerse(focal=512.0).extract(FaceSource(moved)),
    )
    np.testing.assert_array_equal(near.values[:, :52], far.values[:, :52])
    np.testing.assert_allclose(near.values[:, 52:55], far.values[:, 52:55], atol=0.03)
    np.testing.assert_allclose(far.values[:, 57], 2 * near.values[:, 57], rtol=1e-6)


def test_same_track_same_bytes():
    moved = move_head(frames=60)
    for extractor in (LandmarksFaceVerse(), LandmarksGraphAU()):
        first, second = extractor.extract(FaceSource(moved)), extractor.extract(FaceSource(moved))
        assert first.values.tobytes() == second.values.tobytes()


def test_still_face_is_neutral():
    values = face()
    assert likeliest(values) == "Neutral"
    assert values["Neutral"] == pytest.approx(np.e**4 / (np.e**4 + 7), abs=1e-5)
    assert all(values[name] == 0.0 for name in OFFICIAL[:15])
    assert values["valence"] == values["arousal"] == 0.0


@pytest.mark.parametrize(
    ("shapes", "expression", "valence", "arousal"),
    [
        ({"mouthSmile": 0.8, "cheekSquint": 0.6}, "Happy", 1, 1),
        ({"browInnerUp": 0.7, "browDown": 0.5, "mouthFrown": 0.8}, "Sad", -1, -1),
        ({"browInnerUp": 0.8, "browOuterUp": 0.8, "eyeWide": 0.8, "jawOpen": 0.7},
         "Surprise", 1, 1),
        ({"noseSneer": 0.8, "mouthUpperUp": 0.7}, "Disgust", -1, 1),
        (
            {"browDown": 0.9, "eyeWide": 0.5, "eyeSquint": 0.6}
            | {"mouthRollUpper": 0.7, "mouthRollLower": 0.7},
            "Anger", -1, 1,
        ),
        ({"mouthDimpleLeft": 0.8}, "Contempt", -1, 1),
    ],
)  # fmt: skip
def test_prototypes_win(shapes, expression, valence, arousal):
    values = face(**shapes)
    assert likeliest(values) == expression
    assert np.sign(values["valence"]) == valence
    assert np.sign(values["arousal"]) == arousal


def test_fear_needs_the_stretched_mouth():
    fear = dict(browInnerUp=0.8, browOuterUp=0.6, browDown=0.7, eyeWide=0.8, eyeSquint=0.7)
    values = face(**fear, mouthStretch=0.9, jawOpen=0.6)
    assert likeliest(values) == "Fear"


def test_action_units_are_means_of_their_pairs():
    values = face(mouthSmileLeft=0.4)
    assert values["AU12"] == pytest.approx(0.2)
    assert face(jawOpen=0.3)["AU26"] == pytest.approx(0.3)
    assert face(mouthRollLower=0.5)["AU23"] == pytest.approx(0.25)
    # a dimple on both sides is AU14, but no contempt
    assert face(mouthDimple=0.8)["AU14"] == pytest.approx(0.8)
    assert likeliest(face(mouthDimple=0.8)) == "Neutral"


def test_lips_part_with_the_jaw_unless_they_are_kept_closed():
    def parted(**shapes):
        return face(**shapes)["AU25"]

    assert parted(jawOpen=0.25) == pytest.approx(0.5, abs=0.02)
    assert parted(jawOpen=0.9) == 1.0
    assert parted(jawOpen=0.5, mouthClose=0.5) == pytest.approx(0.0, abs=0.02)
    assert parted(mouthLowerDown=0.8) > 0.3
    assert parted(mouthPucker=0.9) < 0.05
    assert lip_parting(np.zeros((3, 52))).shape == (3,)


@pytest.mark.parametrize("extractor", [LandmarksFaceVerse(), LandmarksGraphAU()])
def test_short_and_empty_tracks(extractor):
    single = extractor.extract(FaceSource(move_head(frames=1)))
    assert single.values.shape == (1, len(extractor.feature_names))
    assert np.isfinite(single.values).all()
    lost = move_head(frames=30)
    lost.valid[:] = False
    with pytest.raises(InputError, match="none of 30 frames"):
        extractor.extract(FaceSource(lost))


def test_a_gap_of_nan_is_bridged():
    moved = move_head(frames=80)
    moved.landmarks[20:30] = np.nan
    for extractor in (LandmarksFaceVerse(), LandmarksGraphAU()):
        features = extractor.extract(FaceSource(moved))
        assert np.isfinite(features.values).all()
        assert features.valid.sum() == 70
