"""Frames of the ground truth in which nobody saw the face: official numbers keep them."""

import math

import numpy as np
import pytest

from react24.dtw.plain import block_dtw, weighted
from react24.errors import InputError
from react24.metrics import evaluate, frcorr, frdist, tlcc
from react24.metrics.tlcc import correlation_by_lag
from react24.metrics.uncertainty import mean_terms

FRAMES = 120


def waves(clips, seed=0, frames=FRAMES):
    """Smooth behaviour, float32 (clips, frames, 25)."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None] / 25
    phase, pace = rng.uniform(0, 6, (clips, 1, 25)), rng.uniform(0.5, 2, (clips, 1, 25))
    return (0.5 + 0.3 * np.sin(pace * time + phase)).astype(np.float32)


def some_valid(clips, seed=0, frames=FRAMES):
    """About two thirds, in runs; clip 0 is known throughout."""
    valid = np.ones((clips, frames), bool)
    for row, start in enumerate(np.random.default_rng(seed).integers(0, 2 * frames // 3, clips)):
        if row:
            valid[row, start : start + frames // 3] = False
    return valid


def filled(values, valid, garbage):
    return np.where(valid[..., None], values, np.float32(garbage))


def plain_distance(one, other):
    y = np.ascontiguousarray(other.T, np.float64)
    return weighted(*block_dtw(one.astype(np.float64), y, max(len(one), len(other))))


def test_the_truth_itself_is_perfect_where_it_is_known():
    truth, valid = waves(4), some_valid(4)
    seen = filled(truth, valid, 7.0)
    reaction = np.repeat(truth[:, None], 2, axis=1)
    found = frcorr(reaction, seen, np.eye(4), valid=valid)
    assert found.exact_mean == pytest.approx(1.0)
    assert found.official == frcorr(reaction, seen, np.eye(4)).official < 1.5
    distance = frdist(reaction, seen, np.eye(4), valid=valid)
    assert distance.mean == pytest.approx(0.0, abs=1e-6)
    assert distance.official == frdist(reaction, seen, np.eye(4)).official > 1


def test_a_constant_gap_by_hand():
    reaction, truth = np.zeros((2, 1, FRAMES, 25)), np.ones((2, FRAMES, 25))
    valid = np.ones((2, FRAMES), bool)
    valid[1, 30:] = False
    seen = filled(truth, valid, 50.0)
    # Every frame is off by 1 in every channel: the same for a clip known in a quarter.
    expected = math.sqrt(15 * FRAMES) / 15 + math.sqrt(2 * FRAMES) + math.sqrt(8 * FRAMES) / 8
    found = frdist(reaction, seen, np.eye(2), valid=valid)
    np.testing.assert_allclose(found.per_clip_mean, [expected, expected], rtol=1e-6)
    assert found.per_clip[1] > 10 * expected


def test_concordance_by_hand():
    truth = np.tile(np.array([0.0, 1, 2, 3, 100, 100])[:, None], (1, 25))[None]
    reaction = np.tile(np.array([1.0, 2, 3, 4, -5, 9])[:, None], (1, 25))[None, None]
    valid = np.array([[True] * 4 + [False] * 2])
    # r = 1, variance 1.25 on both sides, means 1 apart.
    expected = 2 * 1.25 / (1.25 + 1.25 + 1)
    assert frcorr(reaction, truth, np.eye(1), valid=valid).exact_mean == pytest.approx(expected)


@pytest.mark.parametrize("known", [2, 3, 17, 64])
def test_distances_are_those_of_plain_dtw_over_the_known_frames(known):
    truth, predictions = waves(3), waves(6, seed=1).reshape(3, 2, FRAMES, 25)
    valid = np.ones((3, FRAMES), bool)
    valid[1:, known:] = False
    matrix = np.ones((3, 3))
    seen = filled(truth, valid, 9.0)
    found = frdist(predictions, seen, matrix, valid=valid)
    expected = np.empty((3, 2))
    for row in range(3):
        for sample in range(2):
            expected[row, sample] = min(
                plain_distance(predictions[row, sample, mask], truth[j, mask])
                * math.sqrt(FRAMES / mask.sum())
                for j, mask in enumerate(valid)
            )
    np.testing.assert_allclose(found.per_clip_mean, expected.mean(1), rtol=1e-6)


def test_the_lag_is_found_in_the_frames_that_are_known():
    base = waves(2, frames=400)
    speaker, reaction = base[:, 7:], base[:, None, :-7]
    valid = some_valid(2, frames=393)
    seen = filled(speaker, valid, 0.0)
    seen[~valid] = np.random.default_rng(0).normal(0, 20, (int((~valid).sum()), 25))
    found = tlcc(reaction, seen, valid=valid)
    assert found.defined == 7
    assert found.defined_share == 1
    assert found.official == tlcc(reaction, seen).official
    assert tlcc(reaction, seen).defined != 7


def test_lagged_correlation_over_known_frames_is_pearsons():
    speaker, reaction = waves(1)[0], waves(2, seed=3)
    valid = np.random.default_rng(5).random(FRAMES) < 0.7
    by_lag = correlation_by_lag(reaction, speaker, valid)
    for lag in (-49, -7, 0, 12, 49):
        times = [t for t in range(FRAMES) if valid[t] and 0 <= t + lag < FRAMES]
        for channel in (0, 24):
            x, y = reaction[1, np.add(times, lag), channel], speaker[times, channel]
            expected = np.corrcoef(x.astype(float), y.astype(float))[0, 1]
            assert by_lag[1, lag + 49, channel] == pytest.approx(expected, abs=1e-6)


def test_what_the_unknown_frames_hold_changes_no_corrected_number():
    truth, speaker, valid = waves(4), waves(4, seed=2), some_valid(4)
    predictions = waves(12, seed=1).reshape(4, 3, FRAMES, 25)
    matrix = np.eye(4) + np.eye(4, k=1)

    def scored(garbage, threads=1):
        return evaluate(
            predictions,
            filled(truth, valid, garbage),
            filled(speaker, valid, garbage),
            matrix,
            truth_valid=valid,
            speaker_valid=valid,
            threads=threads,
        )

    one, other, threaded = scored(0.0), scored(3.0), scored(3.0, threads=2)
    mended = [n for n in one.corrected if n not in ("FRCorr_mean", "TLCC_all_samples")]
    for name in mended:
        assert one.corrected[name] == other.corrected[name] == threaded.corrected[name], name
    assert one.official["FRCorr"] != other.official["FRCorr"]
    assert one.official["FRDist"] != other.official["FRDist"]
    seen = filled(truth, valid, 0.0)
    assert one.corrected["FRCorr_exact_mean"] == pytest.approx(
        frcorr(predictions, seen, matrix, valid=valid).exact_mean
    )
    assert one.corrected["FRDist_mean"] == pytest.approx(
        frdist(predictions, seen, matrix, valid=valid).mean
    )


def test_all_frames_known_is_as_nothing_said():
    truth, predictions = waves(3), waves(6, seed=1).reshape(3, 2, FRAMES, 25)
    every = np.ones((3, FRAMES), bool)
    said = evaluate(
        predictions, truth, truth, np.ones((3, 3)), truth_valid=every, speaker_valid=every
    )
    unsaid = evaluate(predictions, truth, truth, np.ones((3, 3)))
    assert said.official == unsaid.official
    assert said.corrected == unsaid.corrected
    assert unsaid.corrected["FRDist_mean"] == unsaid.official["FRDist"] / 2


def test_a_reaction_that_nobody_saw_is_compared_with_nothing():
    truth, predictions = waves(3), waves(3, seed=1)[:, None]
    valid = np.ones((3, FRAMES), bool)
    valid[1, 1:] = False
    corr = frcorr(predictions, truth, np.eye(3), valid=valid)
    dist = frdist(predictions, truth, np.eye(3), valid=valid)
    others = [0, 2]
    for per_clip, mean in ((corr.per_clip_exact, corr.exact_mean), (dist.per_clip_mean, dist.mean)):
        assert math.isnan(per_clip[1])
        assert mean == pytest.approx(per_clip[others].mean())
    assert mean_terms(dist.per_clip_mean).value == pytest.approx(dist.mean)


def test_validity_of_another_shape_is_refused():
    truth = waves(2)
    with pytest.raises(InputError, match=r"validity of the ground truth has shape \(2, 5\)"):
        frcorr(truth[:, None], truth, np.eye(2), valid=np.ones((2, 5), bool))


def test_evaluate_reads_the_validity_of_clips_files(tmp_path):
    from helpers import clips_factory

    from react24.metrics.score_files import evaluate_files

    native = clips_factory.behaviour(2, 25)
    valid = np.ones((4, 750), bool)
    valid[1, 200:500] = False
    predictions = np.ascontiguousarray(clips_factory.behaviour(2, 25, seed=4)[:, None])
    np.save(tmp_path / "p.npy", predictions)
    clips_factory.write_appropriate(tmp_path / "appropriate/test.h5", np.eye(4))
    found = []
    for garbage in (0.2, 0.9):
        native[~valid] = garbage
        path = tmp_path / "clips/graphau/test.h5"
        clips_factory.write_clips(path, native, split="test", valid=valid)
        found.append(evaluate_files(tmp_path / "p.npy", path, "test"))
    one, other = found
    assert one.official["FRDist"] != other.official["FRDist"]
    for name in ("FRCorr_exact_mean", "FRDist_mean", "TLCC_defined"):
        assert one.corrected[name] == other.corrected[name], name
