"""One stream of one session from its sound: extract both roles, write the file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import numpy as np

from react24.conventions import FPS, ROLES
from react24.files import contract
from react24.streams.extract import write_session

SOUND_EXTRACTORS = {
    "logmel": ("react24.streams.logmel", "LogMel"),
    "mfcc": ("react24.streams.mfcc", "MFCC"),
    "vggish": ("react24.streams.vggish", "VGGish"),
    "wav2vec2": ("react24.streams.wav2vec2", "Wav2Vec2"),
}
"""Stream -> module and class, imported when asked for."""

NETWORKS = ("vggish", "wav2vec2")
"""Streams whose extractor runs a network; the others do without torch."""


def heard_ticks(media_path: Path, role: str) -> np.ndarray:
    """Ticks at which the file has sound, bool (T,); elsewhere silence stands in.

    A tick counts if its whole 40 ms lie between the start and the end of the sound, and no gap of
    it touches them.
    """
    with contract.open_file(media_path, "media") as file:
        frames, attrs = int(file.attrs["frames"]), file[role].attrs
        start, end = float(attrs["sound_start"]), float(attrs["sound_end"])
        gaps = file[role]["sound_gaps"][:]
    # Half a sample at the lowest usual rate, for rounding.
    slack = 0.5 / 8000
    tick = np.arange(frames) / FPS
    heard = (tick >= start - slack) & (tick + 1 / FPS <= end + slack)
    for begin, stop in gaps:
        heard &= (tick + 1 / FPS <= begin + slack) | (tick >= stop - slack)
    return heard


def extract_from_sound(
    stream: str,
    media_path: Path,
    output: Path,
    *,
    settings: Mapping[str, object],
    threads: int = 1,
    device: str = "auto",
) -> None:
    """Extract a stream that is computed from the speaker's sound, for both roles.

    Args:
        stream: A key of ``SOUND_EXTRACTORS``.
        media_path: Media file of the session.
        output: Feature file.
        settings: The stream's section of the configuration (``weights``, ``seed``, ...).
        threads: CPU threads of a network.
        device: ``auto``, ``cpu`` or ``cuda``, for a network.

    Raises:
        InputError: Sound that cannot be read, or weights that cannot be found.
    """
    from react24.media.sound import read_sound
    from react24.streams.sources import SoundSource

    chosen = {key: value for key, value in settings.items() if key != "enabled"}
    if stream in NETWORKS:
        import torch

        torch.set_num_threads(threads)
        chosen["device"] = device
    module, name = SOUND_EXTRACTORS[stream]
    extractor = getattr(import_module(module), name)(**chosen)
    features = {}
    for role in ROLES:
        known = heard_ticks(media_path, role)
        source = SoundSource(
            samples=read_sound(media_path, role, extractor.sample_rate),
            frames=len(known),
            known=known,
            name=f"{media_path.stem}, role {role}",
        )
        features[role] = extractor.extract(source)
    write_session(stream, features, {"media": media_path}, output, settings)
