import numpy as np
import pytest
from helpers.real_face import face, session

from react24.rig.lids import BLINKS, blinks, lid_opening
from react24.rig.model import load_rig
from react24.rig.neutral import (
    ABSOLUTE,
    NEVER_QUIET,
    QUIET_FOUND,
    STATED,
    Neutral,
    above_rest,
    choose_rest,
    merge_neutrals,
    quiet_frames,
    shape_mask,
    stem,
)
from react24.rig.shapes import NAMES
from react24.rig.solve import neutral_of_track, solve_track
from react24.rig.student import frontal_view, load_student


def scores_of(**shapes):
    scores = np.zeros(52)
    for name, value in shapes.items():
        scores[shape_mask((name,))] = value
    return scores


@pytest.mark.parametrize(
    ("name", "quiet"), [("rest", True), ("grin", False), ("surprised", False), ("shut", False)]
)
def test_rest_is_an_absolute_question(name, quiet):
    scores = load_student().scores(session((name, 20)).landmarks, 512, 512)
    assert quiet_frames(scores).all() == quiet
    assert quiet_frames(scores).any() == quiet


def test_the_stillest_of_the_quiet_frames_are_chosen():
    still, tense = scores_of(browDown=0.6), scores_of(browDown=0.6, mouthPress=0.4)
    smiling = scores_of(mouthSmile=0.9)
    scores = np.stack([still] * 100 + [tense] * 100 + [smiling] * 300)
    chosen, quiet = choose_rest(scores)
    assert quiet
    assert set(chosen) <= set(range(100))
    assert len(chosen) == 50  # a tenth of all frames


def test_a_moment_that_looks_like_rest_is_none():
    smiling = scores_of(mouthSmile=0.9)
    chosen, quiet = choose_rest(np.stack([scores_of()] * 3 + [smiling] * 297))
    assert not quiet
    chosen, quiet = choose_rest(np.stack([scores_of()] * 10 + [smiling] * 290))
    assert quiet
    assert set(chosen) == set(range(10))


def test_smiles_have_no_zero_of_their_own_and_brows_do():
    rest = scores_of(browDown=0.5, eyeSquint=0.9)
    counted = above_rest(np.stack([rest, scores_of(browDown=0.75), scores_of(browDown=0.2)]), rest)
    brow = NAMES.index("browDownLeft")
    np.testing.assert_allclose(counted[:, brow], [0.0, 0.5, 0.0], atol=1e-6)
    assert counted.min() >= 0.0
    found = solve_track(*track("rest", 30)).person
    assert not found.rest[shape_mask(ABSOLUTE)].any()
    assert found.rest.any()


def track(name, frames):
    shown = session((name, frames))
    return shown.landmarks, shown.valid, shown.width, shown.height


def test_where_there_is_no_rest_the_expression_is_taken_out_of_the_face():
    real, guessed = (neutral_of_track(*track(n, 30), load_student()) for n in ("rest", "grin"))
    assert (real.how, guessed.how) == (QUIET_FOUND, NEVER_QUIET)
    seen = frontal_view(face("grin")[None])[0]

    def mouth(points):
        return (points[291] - points[61])[0] / (points[263] - points[33])[0]

    # nearer to the width of the mouth at rest than to that of the grin
    assert abs(mouth(guessed.face) - mouth(real.face)) < 0.5 * (mouth(seen) - mouth(real.face))


def test_the_best_kind_of_neutral_face_counts_and_by_its_frames():
    rig = load_rig()
    rest = np.zeros(52, np.float32)

    def made(width, frames, how):
        return Neutral(rig.neutral * np.float32([1, width, 1]), rest + width, frames, how)

    both = merge_neutrals(
        [made(1.0, 10, QUIET_FOUND), made(1.4, 30, QUIET_FOUND), made(9.0, 99, NEVER_QUIET)]
    )
    np.testing.assert_allclose(both.face, rig.neutral * [1, 1.3, 1], atol=1e-5)
    np.testing.assert_allclose(both.rest, 1.3, atol=1e-6)
    assert (both.frames, both.how) == (40, QUIET_FOUND)
    told = merge_neutrals([made(1.0, 10, QUIET_FOUND), made(2.0, 3, STATED)])
    assert (told.frames, told.how) == (3, STATED)


def test_lids_are_counted_from_the_persons_own():
    rig = load_rig()
    rest, shut = (frontal_view(face(name)[None]) for name in ("rest", "shut"))
    narrow = rest.copy()
    assert lid_opening(rest, rig).mean() > 0.2
    assert lid_opening(shut, rig).max() < 0.08
    found = blinks(lid_opening(np.concatenate([rest, shut]), rig), rest[0], rig)
    assert found[0].max() < 0.01
    assert found[1].min() > 0.85
    # one eye alone
    narrow[0, list(rig.mirror[[159, 158, 160, 161, 157]])] = narrow[
        0, list(rig.mirror[[145, 153, 144, 163, 154]])
    ]
    right, left = blinks(lid_opening(narrow, rig), rest[0], rig)[0]
    assert right < 0.01
    assert left > 0.9
    assert [NAMES[k] for k in BLINKS] == ["eyeBlinkRight", "eyeBlinkLeft"]


def test_stems():
    assert [stem(n) for n in ("mouthSmileLeft", "jawLeft", "browInnerUp", "mouthRight")] == [
        "mouthSmile", "jawLeft", "browInnerUp", "mouthRight",
    ]  # fmt: skip
