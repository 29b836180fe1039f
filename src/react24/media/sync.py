"""By how much two recordings of one conversation started apart, from their sound.

In one room, or through a loudspeaker, each microphone hears the other person too, if faintly. What
both hear is found by correlating the onsets of sound (``react24.media.sketch``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from react24.conventions import ROLES
from react24.log import progress
from react24.media.role import RoleMedia, seconds
from react24.media.sketch import CLEAR_PEAK, SAME, Lag, find_drift, find_lag
from react24.media.timing import scan_role

A_TICK = 0.04
"""Seconds up to which two offsets are the same."""


@dataclass(frozen=True)
class Offset:
    """The estimate for one session.

    Attributes:
        seconds: By how much b starts after a (negative: before), as ``offset_b`` of the sample
            sheet; 0 where it is not decidable.
        decidable: Whether the two microphones hear each other clearly enough.
        confidence: 0 (chance) to 1; at least 0.5 where it is decidable.
        said: ``offset_b - offset_a`` as the sheet has it, s.
        peak: By how many standard deviations the best lag stands out from all others.
        second: The same of the best lag elsewhere.
        likeness: Correlation of both sounds at the best lag; near 1 they are the same recording.
        drift: By how much the offset grows from the first half to the second, s; None where the
            halves are too short or not decidable.
    """

    seconds: float
    decidable: bool
    confidence: float
    said: float
    peak: float = 0.0
    second: float = 0.0
    likeness: float = 0.0
    drift: float | None = None

    def sentence(self) -> str:
        """The estimate in words, and what to write where the sheet says otherwise."""
        sure = (
            f"peak {self.peak:.1f} standard deviations, next best {self.second:.1f}, confidence "
            f"{self.confidence:.2f}"
        )
        if not self.decidable:
            return (
                f"the offset of the two recordings is not decidable from their sound ({sure}): "
                f"the microphones do not hear each other, or the recordings do not belong "
                f"together; the sheet's offset, {self.said:+.2f} s, stands unchecked"
            )
        way = "after" if self.seconds >= 0 else "before"
        text = f"by their sound b starts {abs(self.seconds):.2f} s {way} a ({sure})"
        if abs(self.seconds - self.said) <= A_TICK:
            text += "; the sheet agrees"
        else:
            column = f"offset_{'b' if self.seconds >= 0 else 'a'}"
            text += (
                f"; the sheet has {self.said:+.2f} s: write {column} {abs(self.seconds):.2f} and "
                f"leave the other empty"
            )
        if self.likeness >= SAME:
            text += "; both recordings hold the same sound, not only the same room"
        if self.drift is not None and abs(self.drift) > A_TICK:
            text += (
                f"; the two clocks drift apart, by {abs(self.drift):.2f} s from the first half to "
                f"the second"
            )
        return text


def estimate_offset(roles: Mapping[str, RoleMedia]) -> Offset:
    """Estimate by how much the recordings of ``a`` and ``b`` started apart.

    Reads the sound of both files once, as a whole, with the track and channel that the sheet
    chooses and on the same timeline as ``probe_session``.

    Raises:
        InputError: A file cannot be read, or has no sound.
    """
    shown = progress(ROLES, what="listening", unit="file", total=len(ROLES))
    a, b = (scan_role(role, roles[role], decode=False, need_sound=True) for role in shown)
    said = float(seconds(b.files.choices.offset) - seconds(a.files.choices.offset))
    lag = find_lag(a.sound.sketch, b.sound.sketch)
    if lag is None:
        return Offset(0.0, False, 0.0, said)
    # From the starts of the sound to the starts of the recordings.
    start_a, start_b = (scan.sound.start - scan.sound_zero for scan in (a, b))
    offset = start_a - start_b - lag.seconds
    drift = find_drift(a.sound.sketch, b.sound.sketch, lag) if lag.sure else None
    return Offset(
        seconds=float(offset) if lag.sure else 0.0,
        decidable=lag.sure,
        confidence=_confidence(lag),
        said=said,
        peak=lag.peak,
        second=lag.second,
        likeness=lag.likeness,
        drift=None if drift is None else -float(drift),
    )


def _confidence(lag: Lag) -> float:
    """0 to 1: how far the peak is above chance, and above the second best."""
    height = np.clip(lag.peak / (2 * CLEAR_PEAK), 0, 1)
    lead = np.clip(1 - lag.second / lag.peak, 0, 1) if lag.peak > 0 else 0.0
    confidence = float(np.sqrt(height * lead))
    return max(confidence, 0.5) if lag.sure else min(confidence, 0.49)
