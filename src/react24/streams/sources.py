"""What the sound extractors read: one person's sound and the 25 fps ticks it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from react24.conventions import FPS
from react24.errors import InputError


@dataclass(frozen=True)
class SoundSource:
    """Mono sound of one role of one session; sample 0 is heard at tick 0.

    Attributes:
        samples: float32 (n,), in [-1, 1], at the extractor's ``sample_rate``;
            n is ``frames * sample_rate // 25`` give or take one tick.
        frames: T, the number of ticks at 25 per second.
        known: bool (T,), False where the file has no sound and the samples are a stand-in;
            None where all of it is real.
        name: How messages call it, e.g. ``"session03, role a"``.
    """

    samples: np.ndarray
    frames: int
    known: np.ndarray | None = None
    name: str = "sound"


@dataclass(frozen=True)
class TickSound:
    """Sound cut or padded to exactly T ticks.

    Attributes:
        samples: float32 (T * hop,).
        known: bool (T,), False where a tick holds padding or sound marked unknown.
        hop: Samples per tick.
    """

    samples: np.ndarray
    known: np.ndarray
    hop: int


def align_to_ticks(source: SoundSource, sample_rate: int) -> TickSound:
    """Check a source and give it exactly ``sample_rate // 25`` samples per tick.

    Sound that is up to one tick short is padded with zeros and the ticks concerned are marked;
    up to one tick too long, it is cut.

    Args:
        source: Sound and number of ticks.
        sample_rate: Samples per second of ``source.samples``; a multiple of 25.

    Raises:
        InputError: Not one-dimensional, not finite, outside [-1, 1] by far, no ticks, or a
            length that does not belong to that many ticks at that rate.
    """
    hop, rest = divmod(sample_rate, int(FPS))
    if rest:
        raise InputError(
            f"a sample rate of {sample_rate} Hz is not a multiple of {FPS:g} per second"
        )
    samples = np.asarray(source.samples, np.float32)
    _check(source, samples, hop, sample_rate)
    known = np.ones(source.frames, bool)
    if source.known is not None:
        known &= np.asarray(source.known, bool)
    wanted = source.frames * hop
    if len(samples) < wanted:
        known[len(samples) // hop :] = False
        samples = np.pad(samples, (0, wanted - len(samples)))
    return TickSound(np.ascontiguousarray(samples[:wanted]), known, hop)


def _check(source: SoundSource, samples: np.ndarray, hop: int, sample_rate: int) -> None:
    if source.frames < 1:
        raise InputError(f"{source.name}: {source.frames} frames; at least one is needed")
    if samples.ndim != 1:
        raise InputError(
            f"{source.name}: samples have shape {samples.shape}; expected one channel, (n,): "
            "average the channels first"
        )
    if source.known is not None and np.shape(source.known) != (source.frames,):
        raise InputError(
            f"{source.name}: `known` has shape {np.shape(source.known)}, "
            f"expected ({source.frames},)"
        )
    wanted = source.frames * hop
    if abs(len(samples) - wanted) > hop:
        raise InputError(
            f"{source.name}: {len(samples)} samples for {source.frames} frames; at {sample_rate} "
            f"Hz {wanted} belong to them (one frame, {hop} samples, more or less is accepted): is "
            "the sound at another sample rate?"
        )
    bad = np.flatnonzero(~np.isfinite(samples))
    if len(bad):
        raise InputError(
            f"{source.name}: {len(bad)} samples are not finite, the first at second "
            f"{bad[0] / sample_rate:.3f}; decode the sound again"
        )
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > 16.0:
        raise InputError(
            f"{source.name}: samples reach {peak:g}; expected [-1, 1]: divide integers by their "
            "full scale (int16 by 32768)"
        )
