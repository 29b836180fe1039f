"""Official checkpoints of Learning2Listen as ours, with an emotion head fitted to clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from react24.models.learning2listen.emotion import fit_emotion
from react24.models.learning2listen.official import load_official_codebook, load_official_predictor
from react24.models.learning2listen.settings import read_settings
from react24.models.learning2listen.tasks import check_columns
from react24.training.dataset import SplitClips
from react24.weights.official_files import OfficialFile
from react24.weights.recognise import L2L_CODEBOOK, L2L_PREDICTOR


def convert(
    settings: Mapping[str, Any], files: Mapping[str, OfficialFile], clips: SplitClips | None
) -> dict[str, dict[str, Tensor]]:
    """Weights of both stages.

    Args:
        settings: As ``read_settings`` takes them, with the sizes of the checkpoints.
        files: ``codebook``, ``predictor``, ``codebook_statistics``, ``predictor_statistics``.
        clips: Of the training split, ``motion`` and ``emotion``: official weights have no
            emotion head, so it is fitted here. None leaves it as it is, unfitted.

    Raises:
        InputError: A file is another one, or does not have the sizes of the settings.
    """
    resolved = read_settings(settings)
    if clips is not None:
        check_columns(clips, "motion", resolved.codebook.channels)
    state = files["codebook"].state(L2L_CODEBOOK)
    with files["codebook"].naming():
        codebook = load_official_codebook(state, resolved.codebook, resolved.emotion)
    state = files["predictor"].state(L2L_PREDICTOR)
    with files["predictor"].naming():
        predictor = load_official_predictor(
            state,
            resolved.predictor,
            resolved.codebook,
            sound_dim=resolved.sound_dim,
            sound_rate=resolved.sound_rate,
        )
    units = {
        "codebook_statistics": ((codebook.units, "Y"),),
        "predictor_statistics": ((predictor.speaker_units, "X"), (predictor.sound_units, "audio")),
    }
    for name, parts in units.items():
        with files[name].naming():
            for standardiser, key in parts:
                standardiser.set_official(files[name].content, key)
    if clips is not None:
        fit_emotion(
            codebook,
            clips,
            resolved.emotion,
            smooth=resolved.smooth,
            mask_invalid=resolved.codebook.mask_invalid,
            seed=0,
        )
    return {"codebook": codebook.state_dict(), "predictor": predictor.state_dict()}
