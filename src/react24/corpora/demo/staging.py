"""From a performance to pictures and sound: poses at any time, the card that covers a face."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from react24.conventions import FPS
from react24.corpora.demo.behaviour import ActorTrack
from react24.corpora.demo.puppet import SIZE, Puppet
from react24.corpora.demo.speech import SPEECH_RATE, resample

ROOM_NOISE = 4e-4
"""Standard deviation of the noise under the voice; full scale is 1."""

_LOUDNESS = 0.5
_RIGHT_CHANNEL = 0.85  # of the left one, in stereo
_CARD_SLIDE = 0.12  # seconds in which the card comes up and goes down
_CARD_COLOUR = (128, 126, 120)


@dataclass(frozen=True)
class Motion:
    """One person's true motion at the 25 fps ticks, in the terms of the rig.

    Attributes:
        coefficients: float32 (T, 52) in [0, 1], in the order of the rig's names.
        rotation: float32 (T, 3), radians about x, y, z.
        translation: float32 (T, 3), rig units from the camera.
    """

    coefficients: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray

    def at(self, time: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coefficients (52,), rotation (3,) and translation (3,) at ``time`` seconds.

        Linear between ticks; the last tick holds to the end.
        """
        place = min(max(time * FPS, 0.0), len(self.rotation) - 1.0)
        before = int(place)
        after = min(before + 1, len(self.rotation) - 1)
        share = place - before
        return tuple(
            (1 - share) * values[before] + share * values[after]
            for values in (self.coefficients, self.rotation, self.translation)
        )


def set_in_motion(track: ActorTrack, names: tuple[str, ...], puppet: Puppet) -> Motion:
    """Put a track, offsets from the puppet's rest, into the order of the rig's names."""
    coefficients = np.zeros((len(track.rotation), len(names)), np.float32)
    for name, channel in track.coefficients.items():
        coefficients[:, names.index(name)] = channel
    return Motion(
        coefficients,
        (track.rotation + puppet.rest_rotation).astype(np.float32),
        (track.translation + puppet.rest).astype(np.float32),
    )


def draw_pictures(
    puppet: Puppet, motion: Motion, times: np.ndarray, cover: tuple[float, float] | None
) -> Iterator[np.ndarray]:
    """The picture at each time (s), uint8 (256, 256, 3), RGB.

    ``cover`` is the first and last second behind the card; None for no card.
    """
    for time in times:
        picture = puppet.draw(*motion.at(time))
        if cover is not None:
            _cover(picture, time, cover)
        yield picture


def _cover(picture: np.ndarray, time: float, cover: tuple[float, float]) -> None:
    """Hold a grey card before the face; it slides in from below and out again."""
    start, stop = cover
    up = min((time - start) / _CARD_SLIDE + 1.0, (stop - time) / _CARD_SLIDE + 1.0, 1.0)
    if up <= 0.0:
        return
    top = round(SIZE - up * (SIZE - 8))
    left, right = SIZE // 10, SIZE - SIZE // 10
    picture[top:, left:right] = _CARD_COLOUR
    picture[top : top + 2, left:right] = 90


def is_covered(times: np.ndarray, cover: tuple[float, float] | None) -> np.ndarray:
    """Where the card is before the face, even in part: bool (N,)."""
    if cover is None:
        return np.zeros(len(times), bool)
    return (times > cover[0] - _CARD_SLIDE) & (times < cover[1] + _CARD_SLIDE)


def mix_sound(voice: np.ndarray, rate: int, channels: int, rng: np.random.Generator) -> np.ndarray:
    """The sound of a video: the person's voice and the faint noise of a room.

    Args:
        voice: float32 (n,) at ``SPEECH_RATE``.
        rate: Samples per second wanted.
        channels: 1 or 2.
        rng: Source of the noise.

    Returns:
        float32 (m, channels) in [-1, 1], as long as the voice.
    """
    if rate != SPEECH_RATE:
        voice = resample(voice, round(len(voice) * rate / SPEECH_RATE))
    gains = (1.0, _RIGHT_CHANNEL)[:channels]
    noise = ROOM_NOISE * rng.standard_normal((len(voice), channels))
    return np.clip(_LOUDNESS * voice[:, None] * gains + noise, -1.0, 1.0).astype(np.float32)
