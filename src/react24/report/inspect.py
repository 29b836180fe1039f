"""What the contact sheet of a session shows: frames with their readings, tracks, doubts.

Somebody who looks at it should see in a minute whether the features of a session are right: whether
the box holds the person's face, the outlines lie on eyes, brows and lips, the axes point where the
head points, the readings fit the expressions, and what the pipeline itself had doubts about. This
module chooses and reads; `react24.report.inspect_draw` draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from react24.conventions import FPS, ROLES
from react24.errors import InputError
from react24.files import contract
from react24.files.notices import gather_notices
from react24.media import whereabouts
from react24.media.sound import read_sound
from react24.media.spans import find_spans
from react24.media.video import read_frames

SHOTS = 8
"""Frames of each person."""

STRONGEST = 3
"""Of these, frames in which an action unit is at its strongest."""

INVALID = 2
"""Of these, at most, frames from stretches that are not valid."""

APART = 2.0
"""Seconds at least between two frames that are chosen for what they show."""

AU_NAMES = {
    "AU1": "inner brow up", "AU2": "outer brow up", "AU4": "brow down", "AU6": "cheek up",
    "AU7": "lids tight", "AU9": "nose wrinkled", "AU10": "upper lip up", "AU12": "smile",
    "AU14": "dimple", "AU15": "lip corner down", "AU17": "chin up", "AU23": "lips tight",
    "AU24": "lips pressed", "AU25": "lips parted", "AU26": "jaw down",
}  # fmt: skip
"""What an action unit looks like, in two or three words."""

MOUTH_OPEN = ("AU25", "AU26")
"""Units that speech alone drives; they choose no frame."""

WORTH_NAMING = 0.1
"""Action units below are not written beside a frame."""

SOUND_RATE = 8000
"""Hz, for the level."""

SILENCE = -100.0
"""dB of a full-scale square wave that stand for no sound at all."""

STREAMS = ("graphau", "faceverse")


@dataclass(frozen=True)
class Shot:
    """One frame of one person.

    Attributes:
        tick: Its number.
        why: Why it was chosen, for its title; empty for those spread evenly.
        valid: Whether the features are valid there.
        found: Whether a face was found there; if not, box and points are only filled in.
        picture: uint8 (H, W, 3).
        box: float (4,), x0, y0, x1, y1 in pixels.
        points: float (478, 2), pixels.
        rotation: float (3,), radians, as in ``faceverse``; None without these features.
        readings: Lines of text: strongest action units, expression.
    """

    tick: int
    why: str
    valid: bool
    found: bool
    picture: np.ndarray
    box: np.ndarray
    points: np.ndarray
    rotation: np.ndarray | None
    readings: tuple[str, ...]


@dataclass(frozen=True)
class Curves:
    """What changes over time, in frames of 25 per second.

    Attributes:
        valid: bool (T,).
        affect: Name -> float (T,), ``valence`` and ``arousal`` in [-1, 1]; empty without features.
        level: float (n,), dB below full scale, evenly spread over the session; None without sound.
    """

    valid: np.ndarray
    affect: dict[str, np.ndarray]
    level: np.ndarray | None


@dataclass(frozen=True)
class RoleView:
    """One role of a session.

    Attributes:
        role: ``a`` or ``b``.
        subject: Who it is.
        facts: Sentences on files, times and what made the features.
        shots: In order of time.
        neutral: float (478, 3), the face at rest, head frame of the rig; None where not stored.
        curves: What changes over time.
    """

    role: str
    subject: str
    facts: tuple[str, ...]
    shots: tuple[Shot, ...]
    neutral: np.ndarray | None
    curves: Curves


@dataclass(frozen=True)
class ContactSheet:
    """Everything that a contact sheet shows.

    Attributes:
        session: Its name.
        people: One entry per role.
        notices: Doubts that the pipeline has, as sentences.
        missing: What there is not yet, and how to get it.
    """

    session: str
    people: tuple[RoleView, ...]
    notices: tuple[str, ...]
    missing: tuple[str, ...]


def gather_sheet(session: str, results: str | Path, *, shots: int = SHOTS) -> ContactSheet:
    """Read what a contact sheet shows.

    Args:
        session: Name of the session.
        results: Folder of results; needs ``media/SESSION.h5`` and ``faces/SESSION.h5`` in it.
        shots: Frames per person.

    Raises:
        InputError: There is no such session, its face has not been tracked yet, or a recording is
            gone or damaged.
        StoreError: A file is another one than its name says, or of another version.
    """
    results = Path(results)
    media, faces = (results / kind / f"{session}.h5" for kind in ("media", "faces"))
    for path, rule in ((media, "probe_session"), (faces, "track_faces")):
        if not path.is_file():
            raise InputError(_nothing_to_show(path, rule))
    paths = {stream: results / "features" / stream / f"{session}.h5" for stream in STREAMS}
    made = {stream: path for stream, path in paths.items() if path.is_file()}
    missing = [
        f"No {stream} features yet: {path} is made by extract_{stream}."
        for stream, path in paths.items()
        if stream not in made
    ]
    notices = gather_notices([media, faces, *made.values()]).get(session, [])
    with contract.open_file(media, "media") as file:
        roles = [role for role in ROLES if role in file]
    people = tuple(_gather_person(role, media, faces, made, shots) for role in roles)
    told = tuple(dict.fromkeys(notice.message for notice in notices))
    return ContactSheet(session, people, told, tuple(missing))


def _nothing_to_show(path: Path, rule: str) -> str:
    there = sorted(p.stem for p in path.parent.glob("*.h5"))
    some = ", ".join(there[:8]) + (f" and {len(there) - 8} more" if len(there) > 8 else "")
    return (
        f"{path}: no such file; it is made by {rule} (snakemake {path}). Sessions in "
        f"{path.parent}: {some or 'none'}"
    )


def _gather_person(
    role: str, media: Path, faces: Path, made: dict[str, Path], shots: int
) -> RoleView:
    features = {stream: contract.read_features(path)[role] for stream, path in made.items()}
    emotion, pose = (features.get(stream) for stream in STREAMS)
    with contract.open_file(faces, "faces") as file:
        group = file[role]
        subject = str(group.attrs["subject"])
        found = group["found"][:]
        valid = group["valid"][:] if emotion is None else emotion.valid
        chosen = choose_frames(valid, emotion, shots)
        tracked = [(group["box"][tick], group["landmarks"][tick]) for tick in chosen]
    pictures = [picture_at(media, role, tick) for tick in chosen]
    seen = tuple(
        Shot(
            tick=tick,
            why=why,
            valid=bool(valid[tick]),
            found=bool(found[tick]),
            picture=picture,
            box=box,
            points=points[:, :2],
            rotation=None if pose is None else _columns(pose, "rotation_")[tick],
            readings=() if emotion is None else describe_emotion(emotion, tick),
        )
        for (tick, why), picture, (box, points) in zip(
            chosen.items(), pictures, tracked, strict=True
        )
    )
    affect = {} if emotion is None else {n: _column(emotion, n) for n in ("valence", "arousal")}
    level = sound_level(media, role)
    return RoleView(
        role=role,
        subject=subject,
        facts=_facts(role, media, faces, features, found, valid, level),
        shots=seen,
        neutral=_extra(features, "neutral"),
        curves=Curves(valid, affect, level),
    )


def picture_at(media: Path, role: str, tick: int) -> np.ndarray:
    """The picture of one tick, uint8 (H, W, 3)."""
    return next(picture for _, picture in read_frames(media, role, start=tick, stop=tick + 1))


def choose_frames(
    valid: np.ndarray, emotion: contract.Features | None, count: int
) -> dict[int, str]:
    """Frames that tell most: strongest expressions, invalid stretches, the rest evenly spread.

    Args:
        valid: bool (T,).
        emotion: The 25-D stream; None where there is none.
        count: How many at most.

    Returns:
        Tick -> why it was chosen (empty for those spread evenly), in order of time.
    """
    chosen: dict[int, str] = {}
    gaps = sorted(find_spans(~valid), key=lambda gap: (-gap.length, gap.start))
    for gap in gaps[: min(INVALID, count)]:
        span = f"{gap.start / FPS:.1f} to {gap.stop / FPS:.1f} s"
        chosen[(gap.start + gap.stop) // 2] = f"not valid, {span}"
    if emotion is not None:
        room = min(STRONGEST, count - len(chosen))
        chosen |= _strongest(emotion, valid, room)
    # The rest lies in valid stretches, so that a long gap is not shown again and again.
    usable = np.flatnonzero(valid) if valid.any() else np.arange(len(valid))
    for _ in range(min(count - len(chosen), len(usable) - len(chosen))):
        chosen[_farthest(usable, list(chosen), len(valid))] = ""
    return dict(sorted(chosen.items()))


def _farthest(ticks: np.ndarray, chosen: list[int], frames: int) -> int:
    """The tick farthest from those chosen; the two ends count as half as far."""
    away = 2 * np.minimum(ticks + 1, frames - ticks)
    if chosen:
        away = np.minimum(away, np.abs(ticks[:, None] - chosen).min(axis=1))
    return int(ticks[away.argmax()])


def _strongest(emotion: contract.Features, valid: np.ndarray, count: int) -> dict[int, str]:
    """Peaks of different action units, strongest first, apart from each other."""
    units = _action_units(emotion)
    names = [name for name in units if name not in MOUTH_OPEN]
    if not names:
        return {}
    values = np.stack([units[name] for name in names], axis=1)  # (T, units)
    values = np.where(valid[:, None], values, 0.0)
    chosen: dict[int, str] = {}
    while len(chosen) < count and values.max() >= WORTH_NAMING:
        tick, unit = np.unravel_index(values.argmax(), values.shape)
        chosen[int(tick)] = f"strongest {names[unit]}"
        values[:, unit] = 0.0
        values[max(0, tick - round(APART * FPS)) : tick + round(APART * FPS)] = 0.0
    return chosen


def describe_emotion(emotion: contract.Features, tick: int) -> tuple[str, ...]:
    """Readings of a frame: up to three action units, and the likeliest expression."""
    units = {name: values[tick] for name, values in _action_units(emotion).items()}
    top = sorted(units, key=lambda name: -units[name])[:3]
    lines = [
        f"{units[name]:.2f} {name} {AU_NAMES.get(name, '')}".rstrip()
        for name in top
        if units[name] >= WORTH_NAMING
    ] or [f"no AU above {WORTH_NAMING}"]
    names = list(emotion.feature_names)
    if "arousal" in names and (kinds := names[names.index("arousal") + 1 :]):
        shares = emotion.values[tick, -len(kinds) :]
        lines.append(f"{shares.max():.2f} {kinds[int(shares.argmax())]}")
    return tuple(lines)


def _action_units(emotion: contract.Features) -> dict[str, np.ndarray]:
    names = [name for name in emotion.feature_names if name.startswith("AU")]
    return {name: _column(emotion, name).astype(np.float64) for name in names}


def _column(features: contract.Features, name: str) -> np.ndarray:
    return features.values[:, features.feature_names.index(name)]


def _columns(features: contract.Features, prefix: str) -> np.ndarray:
    return features.values[:, [n.startswith(prefix) for n in features.feature_names]]


def sound_level(media: Path, role: str, bins: int = 1500) -> np.ndarray | None:
    """Root mean square of the sound in dB, per tenth of a second or at most ``bins`` values.

    Returns:
        float (n,), at least ``SILENCE``; None where the role has no sound.
    """
    with contract.open_file(media, "media") as file:
        if not int(file[role].attrs["sound_rate"]):
            return None
    sound = read_sound(media, role, SOUND_RATE)
    parts = np.array_split(sound, max(1, min(bins, 10 * len(sound) // SOUND_RATE)))
    power = np.array([np.mean(np.square(part, dtype=np.float64)) for part in parts])
    return 10 * np.log10(np.maximum(power, 10 ** (SILENCE / 10)))


def _facts(
    role: str,
    media: Path,
    faces: Path,
    features: dict[str, contract.Features],
    found: np.ndarray,
    valid: np.ndarray,
    level: np.ndarray | None,
) -> tuple[str, ...]:
    with contract.open_file(media, "media") as file:
        about, video = dict(file[role].attrs), whereabouts.name(file, role, "video")
    with contract.open_file(faces, "faces") as file:
        networks = str(file.attrs.get("weights", "networks not named"))
    heard = "no sound" if level is None else f"sound at {_loudness(level):.0f} dB"
    lines = [
        f"{video}: {about['width']} x {about['height']} pixels at "
        f"{float(about['source_fps']):.4g} per second, {len(found) / FPS:.1f} s; {heard}",
        f"face found in {found.mean():.1%} of the frames, valid {valid.mean():.1%}; {networks}",
    ]
    made: dict[str, list[str]] = {}
    for stream, part in features.items():
        note = "" if part.pretrained else ", NOT PRETRAINED"
        made.setdefault(f"{part.backend} ({part.weights}){note}", []).append(stream)
    lines += [f"{' and '.join(streams)}: {by}" for by, streams in made.items()]
    error = _extra(features, "pose_error")
    if error is not None and valid.any():
        lines[-1] += f"; head pose within {np.median(error[valid]):.1f} pixels (median)"
    return tuple(lines)


def _loudness(level: np.ndarray) -> float:
    """Level of the whole sound, dB."""
    return float(10 * np.log10(np.mean(10 ** (level / 10))))


def _extra(features: dict[str, contract.Features], name: str) -> np.ndarray | None:
    """An array that a feature file holds beside the stream; None where none does."""
    return next((part.extra[name] for part in features.values() if name in part.extra), None)


def name_frames(shots: Sequence[Shot]) -> list[str]:
    """Titles of frames: number, second, why."""
    return [
        f"{number}: {shot.tick / FPS:.1f} s" + (f"\n{shot.why}" if shot.why else "")
        for number, shot in enumerate(shots, start=1)
    ]
