"""What extractors read: one person's face track, pictures or sound, and the 25 fps ticks of them.

Which of the three, a backend says (``react24.contracts.stream``); `open_source` opens it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from react24.contracts.entry_points import resolve
from react24.contracts.stream import READERS, Reads
from react24.conventions import FPS, ROLES
from react24.errors import InputError
from react24.files import contract
from react24.log import progress


class Track(Protocol):
    """What is read of ``react24.faces.track.FaceTrack``, which sound does not depend on."""

    landmarks: np.ndarray
    valid: np.ndarray
    width: int
    height: int


@dataclass(frozen=True)
class FaceSource:
    """The face track of one role of one session.

    Attributes:
        track: Landmarks (T, 478, 3) in pixels, valid (T,), width and height of the pictures.
        name: How messages call it, e.g. ``"results/faces/session03.h5, role a"``.
        neutral: File with the person's face at rest over all sessions, where there is one
            (``react24.streams.neutral``).
        at_rest: From and to second of the session at which the face is at rest, where the sample
            sheet says so.
    """

    track: Track
    name: str = "faces"
    neutral: Path | None = None
    at_rest: tuple[float, float] | None = None


@dataclass(frozen=True)
class PictureSource:
    """Pictures of one role of one session, in order of the ticks; they can be read once.

    Attributes:
        pictures: One uint8 (size, size, 3), RGB, per tick.
        valid: bool (T,), False where the face of the tick is not known.
        name: How messages call it, e.g. ``"session03, role a"``.
    """

    pictures: Iterable[np.ndarray]
    valid: np.ndarray
    name: str = "pictures"


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


def open_source(
    reads: Reads,
    role: str,
    extractor: Any,
    files: Mapping[str, Path],
) -> FaceSource | PictureSource | SoundSource:
    """Open what an extractor reads of one role.

    Args:
        reads: ``faces``, ``pictures`` or ``sound``.
        role: ``a`` or ``b``.
        extractor: Says the ``sample_rate`` or the ``picture_size`` that it wants.
        files: ``faces`` for faces, with ``neutral_a``, ``neutral_b`` where there are such files;
            ``media`` and ``faces`` for pictures; ``media`` for sound.

    Raises:
        DamagedFileError: A video is unreadable somewhere; names file and second.
        InputError: Files of different sessions, or sound that cannot be read.
    """
    read: Callable[..., Any] = resolve(READERS[reads])
    if reads == "faces":
        faces = files["faces"]
        return FaceSource(
            track=read(faces, role),
            name=f"{faces}, role {role}",
            neutral=files.get(f"neutral_{role}"),
            at_rest=stated_rest(faces, role),
        )
    media = files["media"]
    name = f"{media.stem}, role {role}"
    if reads == "pictures":
        valid = known_faces(media, files["faces"], role)
        size = extractor.picture_size
        return PictureSource(read(media, files["faces"], role, size=size), valid, name)
    known = heard_ticks(media, role)
    return SoundSource(read(media, role, extractor.sample_rate), len(known), known, name)


def stated_rest(faces_path: Path, role: str) -> tuple[float, float] | None:
    """From and to second at which the sample sheet says that the face is at rest, or None."""
    with contract.open_file(faces_path, "faces") as file:
        stated = file[role].attrs.get("neutral")
    return None if stated is None else (float(stated[0]), float(stated[1]))


def known_faces(media_path: Path, faces_path: Path, role: str) -> np.ndarray:
    """``valid`` of the face track, bool (T,).

    Raises:
        InputError: The track is that of another session.
    """
    with contract.open_file(media_path, "media") as file:
        frames, session = int(file.attrs["frames"]), str(file.attrs["session"])
    with contract.open_file(faces_path, "faces") as file:
        found = str(file.attrs["session"])
        valid = {role: file[role]["valid"][:] for role in ROLES}
    lengths = {len(part) for part in valid.values()}
    if found != session or lengths != {frames}:
        raise InputError(
            f"{faces_path}: the face track of session {found} with {sorted(lengths)} frames does "
            f"not belong to {media_path}, session {session} with {frames} frames; track the faces "
            "of this session again"
        )
    return valid[role]


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


@dataclass(frozen=True)
class Batch:
    """Pictures (n, size, size, 3) and, for each, the ticks (first, last + 1) that show it."""

    pictures: np.ndarray
    ticks: list[tuple[int, int]]


def batches(source: PictureSource, size: int, what: str) -> Iterator[Batch]:
    """The pictures in batches; one that is shown at several ticks in a row is in it once.

    Args:
        source: Where they come from.
        size: Pictures per batch.
        what: What progress messages call the work.

    Raises:
        InputError: More or fewer pictures than ticks.
    """
    shown = progress(source.pictures, what=what, unit="frame", total=len(source.valid))
    runs, end = _runs(shown), 0
    while run := list(islice(runs, size)):
        ticks = [span for _, span in run]
        end = ticks[-1][1]
        yield Batch(np.stack([picture for picture, _ in run]), ticks)
    if end != len(source.valid):
        raise InputError(f"{source.name}: {end} pictures for {len(source.valid)} frames")


def _runs(pictures: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
    """Every picture once for each run of ticks that show it."""
    current, first, tick = None, 0, -1
    for tick, picture in enumerate(pictures):
        if current is None:
            current = picture
        elif picture is not current and not np.array_equal(picture, current):
            yield current, (first, tick)
            current, first = picture, tick
    if current is not None:
        yield current, (first, tick + 1)


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
