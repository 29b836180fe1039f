"""Scoring the reactions of one model, seed and split: samples file in, metrics file out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from react24.clips import windows
from react24.clips.normalize import CONSTANT_BELOW
from react24.contracts.metric import Metric, open_metrics
from react24.conventions import EMOTION_DIM
from react24.errors import InputError
from react24.files import contract
from react24.files.appropriate import read_appropriate
from react24.metrics.all_metrics import Scores, evaluate
from react24.metrics.arrays import Rows
from react24.metrics.own import score_own, write_own
from react24.metrics.uncertainty import frdvs_terms

logger = logging.getLogger(__name__)

SPACES = ("native", "session_zscore")


def score_reactions(
    samples_path: Path,
    clips_graphau_path: Path,
    appropriate_path: Path,
    output: Path,
    *,
    space: str = "native",
    own: Sequence[str] = (),
    threads: int = 1,
    digests: Mapping[str, str] | None = None,
) -> Scores:
    """Score a samples file and write the metrics file.

    Direction i has the speaker of clips row i and the ground truth of listener row (i + L) mod 2L.
    Reactions are read clip by clip; only the ground truth is held whole. The corrected numbers
    leave out frames that are not valid: of the listener, and for TLCC of the speaker.

    Args:
        samples_path: Samples file with ``emotion`` (2L, S, 750, 25) in native units.
        clips_graphau_path: Clips file of the ``graphau`` stream of the same split.
        appropriate_path: Appropriate file of the same split.
        output: Metrics file.
        space: ``native``, or ``session_zscore``: predictions are z-scored with the mean and std of
            the listener's own session, ground truth and speaker with their own.
        own: Files of metrics of the user's own.
        threads: Clips scored side by side; the result does not depend on it.
        digests: Name -> sha256 of the inputs; computed where None.

    Returns:
        What was written.

    Raises:
        InputError: Unknown space, another stream or shape, NaN (named), a metric of the user's own
            that cannot be used.
        StoreError: The three files are not of the same clips.
    """
    if space not in SPACES:
        raise InputError(f"metrics.space is {space!r}; accepted: {', '.join(SPACES)}")
    metrics = open_metrics(own)
    appropriate = read_appropriate(appropriate_path)
    with (
        contract.open_file(samples_path, "samples") as samples,
        windows.open_clips(clips_graphau_path) as clips,
    ):
        names = (str(samples_path), str(clips_graphau_path))
        windows.check_same_index(samples["index"][:], clips.index, names)
        windows.check_same_index(appropriate.index, clips.index, (str(appropriate_path), names[1]))
        native = _native_behaviour(clips)
        index = clips.index
        listeners = windows.listener_rows(clips.rows)
        valid = clips.valid[:]
        zscored = space == "session_zscore"
        behaviour = clips.zscored if zscored else native
        made = samples["emotion"]
        reactions = ZScoredReactions(made, clips, listeners) if zscored else made
        scores = evaluate(
            reactions,
            Rows(behaviour, listeners),
            behaviour,
            appropriate.matrix,
            truth_valid=valid[listeners],
            speaker_valid=valid,
            threads=threads,
            name=f"{samples_path}, emotion",
        )
        parts = frdvs_terms(reactions, scores.results["FRDvs"].mean).numerator
        found = score_own(metrics, reactions, behaviour, valid, listeners, appropriate.matrix)
        carried = {
            k: samples.attrs[k] for k in ("model", "seed", "split", "variant") if k in samples.attrs
        }
        attributes = carried | {
            "samples": scores.samples,
            "clips": clips.rows,
            "space": space,
            "valid": float(valid.mean()),
            "dropped": len(clips.dropped),
            "backend": clips.backend,
            "pretrained": bool(samples.attrs["pretrained"]) and clips.pretrained,
            "appropriate_source": appropriate.source,
        }
    paths = {"samples": samples_path, "clips": clips_graphau_path, "appropriate": appropriate_path}
    digests = digests or contract.digest_inputs(**paths)
    write_scores(output, scores, parts, attributes, digests, index, found)
    logger.info("scored %s", ", ".join(f"{k} {v:.5g}" for k, v in scores.official.items()))
    return scores


def write_scores(
    output: Path,
    scores: Scores,
    parts: np.ndarray,
    attributes: Mapping[str, object],
    digests: Mapping[str, str],
    index: np.ndarray,
    own: Mapping[Metric, np.ndarray],
) -> None:
    """Write a metrics file.

    Args:
        output: Final name.
        scores: What ``evaluate`` returned.
        parts: Each clip's part in FRDvs (N,), see ``frdvs_terms``.
        attributes: Root attributes: model, seed, split, samples, clips, space, pretrained, ...
        digests: Name -> sha256 of the inputs.
        index: Of the clips.
        own: Metrics of the user's own and their values, see ``score_own``.
    """
    with contract.create(
        output,
        schema="metrics",
        created_by="score_reactions",
        config={"space": attributes["space"]},
        inputs=digests,
    ) as file:
        file.attrs.update(attributes)
        file.create_group("official").attrs.update(scores.official)
        file.create_group("corrected").attrs.update(scores.corrected)
        group = file.create_group("clips")
        for name, values in scores.per_clip.items():
            group.create_dataset(name, data=values)
        group.create_dataset("FRDvs", data=parts)
        write_own(file, own)
        file.create_dataset("FRDvs_per_sample", data=scores.results["FRDvs"].per_sample)
        file.create_dataset("index", data=index)


class ZScoredReactions:
    """Reactions (N, S, T, 25) z-scored with the listener's session statistics, clip by clip.

    The same arithmetic as the listener's own z-scores: a channel that was constant in the
    session is 0 everywhere.
    """

    def __init__(self, emotion: h5py.Dataset, clips: windows.Clips, listeners: np.ndarray):
        self._emotion = emotion
        self._mean = clips.mean[:][listeners]  # (N, 25)
        self._std = clips.std[:][listeners]
        self.shape = emotion.shape

    def __getitem__(self, row: int) -> np.ndarray:
        mean, std = self._mean[row], self._std[row]
        varies = std >= CONSTANT_BELOW
        scaled = (self._emotion[row] - mean) / np.where(varies, std, 1.0)
        return np.where(varies, scaled, 0.0).astype(np.float32)


def _native_behaviour(clips: windows.Clips) -> h5py.Dataset:
    """What both persons did, (2L, 750, 25); refuses another stream."""
    if clips.native is None or len(clips.feature_names) != EMOTION_DIM:
        raise InputError(
            f"{clips.path}: stream {clips.stream} with {len(clips.feature_names)} channels; "
            f"reactions are scored on graphau, which has {EMOTION_DIM} and native values"
        )
    return clips.native
