"""What the two persons of a demo session do: turns, speech, cues and reactions.

Everything is drawn from one seeded generator, at the 25 fps ticks of the pipeline. The structure
that a model can learn: a speaker gives *cues* (the end of a phrase, a raised brow, a smile) and
the listener reacts 0.3 to 1.2 s later in one of two styles (``REACTIONS``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from react24.conventions import FPS, ROLES
from react24.corpora.demo.speech import SPEECH_RATE
from react24.corpora.demo.visemes import mouth_from_speech

Channels = dict[str, np.ndarray]

DELAY = (0.3, 0.6, 1.2)
"""Least, likeliest and longest seconds from a cue to the reaction (triangular distribution)."""

REACTIONS: dict[str, dict[str, dict[str, float]]] = {
    "smiler": {
        "phrase_end": {"smile": 0.55, "nod": 0.35},
        "brow_raise": {"smile": 0.45, "brow": 0.25},
        "smile": {"smile": 0.9},
    },
    "nodder": {
        "phrase_end": {"nod": 1.0},
        "brow_raise": {"brow": 0.85},
        "smile": {"nod": 0.7, "smile": 0.35},
    },
}
"""Listener style -> kind of cue -> what the listener does, and how strongly (1 = fully)."""

_REACTION_CHANCE = 0.9
_NOD_RADIANS = 0.14
_NOD_HERTZ = 1.5
_NOD_CYCLES = 2
_SIDES = ("Left", "Right")


@dataclass(frozen=True)
class Actor:
    """One person: sentences float32 (n,) at ``SPEECH_RATE`` each, and a style of ``REACTIONS``."""

    sentences: list[np.ndarray]
    style: str


@dataclass(frozen=True)
class Utterance:
    """One sentence in time: who, from when (s), which samples."""

    role: str
    start: float
    samples: np.ndarray

    @property
    def stop(self) -> float:
        """When the sentence ends (s)."""
        return self.start + len(self.samples) / SPEECH_RATE


@dataclass(frozen=True)
class Cue:
    """A cue of the speaker and what came of it.

    Attributes:
        time: Seconds.
        role: Who gave it.
        kind: ``phrase_end``, ``brow_raise`` or ``smile``.
        reaction: When the other person began to react (s); NaN where there was no reaction.
    """

    time: float
    role: str
    kind: str
    reaction: float = float("nan")


@dataclass
class ActorTrack:
    """One person's true motion at the 25 fps ticks.

    Attributes:
        coefficients: ARKit name -> float64 (T,) in [0, 1]; names not listed are 0.
        rotation: (T, 3) radians about x (nod), y (turn), z (tilt).
        translation: (T, 3) offsets in rig units, before the camera distance.
        voice: float32 (n,) at ``SPEECH_RATE``.
    """

    coefficients: Channels
    rotation: np.ndarray
    translation: np.ndarray
    voice: np.ndarray


@dataclass(frozen=True)
class Performance:
    """A whole session: role -> track, and the cues in order of time."""

    tracks: dict[str, ActorTrack]
    cues: tuple[Cue, ...]
    utterances: tuple[Utterance, ...] = field(default=())


def perform(persons: dict[str, Actor], seconds: float, rng: np.random.Generator) -> Performance:
    """Draw a session of ``round(seconds * 25)`` ticks; ``rng`` is the only source of chance."""
    ticks = np.arange(round(seconds * FPS)) / FPS
    utterances = _take_turns(persons, seconds, rng)
    tracks = {r: _idle_track(ticks, _speaking_mask(ticks, utterances, r), rng) for r in ROLES}
    cues: list[Cue] = []
    for utterance in utterances:
        track = tracks[utterance.role]
        _speak(track, ticks, utterance)
        cues += _give_cues(track, ticks, utterance, rng)
    cues = [_react(tracks, persons, ticks, cue, rng) for cue in cues]
    for track in tracks.values():
        _finish(track)
    cues.sort(key=lambda cue: cue.time)
    return Performance(tracks, tuple(cues), tuple(utterances))


def _take_turns(
    persons: dict[str, Actor], seconds: float, rng: np.random.Generator
) -> list[Utterance]:
    """Alternate turns of one to three sentences, with pauses, until the time is over."""
    utterances: list[Utterance] = []
    now, speaker = 0.3, 0
    order = {role: _shuffled(len(person.sentences), rng) for role, person in persons.items()}
    while True:
        role = ROLES[speaker]
        for _ in range(rng.integers(1, 4)):
            samples = persons[role].sentences[next(order[role])]
            utterance = Utterance(role, now, samples)
            if utterance.stop > seconds - 0.2:
                return utterances
            utterances.append(utterance)
            now = utterance.stop + rng.uniform(0.35, 0.7)
        now += rng.uniform(0.2, 0.6)
        speaker = 1 - speaker


def _shuffled(count: int, rng: np.random.Generator):
    """Endless order in which nothing repeats before all have come up."""
    while True:
        yield from rng.permutation(count)


def _speaking_mask(ticks: np.ndarray, utterances: list[Utterance], role: str) -> np.ndarray:
    mask = np.zeros(len(ticks), bool)
    for u in utterances:
        if u.role == role:
            mask |= (ticks > u.start - 0.3) & (ticks < u.stop + 0.2)
    return mask


def _idle_track(ticks: np.ndarray, speaking: np.ndarray, rng: np.random.Generator) -> ActorTrack:
    """Sway, blinks and the expressions that come of themselves."""
    track = ActorTrack(
        coefficients={},
        rotation=_sway(ticks, np.array([0.045, 0.09, 0.04]), rng),
        translation=_sway(ticks, np.array([0.05, 0.03, 0.06]), rng),
        voice=np.zeros(round(len(ticks) / FPS * SPEECH_RATE), np.float32),
    )
    now = rng.uniform(0.4, 2.0)
    while ticks.size and now < ticks[-1]:
        _add(track, "eyeBlink", bump(ticks, now, 0.12, 0.05, 0.18), _SIDES)
        now += rng.uniform(1.8, 4.5)
    _move_brows(track, ticks, rng)
    _purse_lips(track, ticks, speaking, rng)
    return track


def _move_brows(track: ActorTrack, ticks: np.ndarray, rng: np.random.Generator) -> None:
    """Now and then a frown or a worried brow, in turn."""
    kinds = _shuffled(2, rng)
    now = rng.uniform(0.6, 1.4)
    while ticks.size and now < ticks[-1]:
        shape = rng.uniform(0.55, 0.95) * bump(ticks, now, 0.25, rng.uniform(0.5, 1.0), 0.35)
        if next(kinds):
            _add(track, "browDown", shape, _SIDES)
        else:
            _add(track, "browInnerUp", shape)
        now += rng.uniform(2.8, 5.0)


def _purse_lips(
    track: ActorTrack, ticks: np.ndarray, speaking: np.ndarray, rng: np.random.Generator
) -> None:
    """Now and then pursed lips, but never while talking."""
    length = 0.7
    now = rng.uniform(0.5, 2.0)
    while ticks.size and now < ticks[-1]:
        if speaking[(ticks > now - 0.1) & (ticks < now + length + 0.6)].any():
            now += 0.2
            continue
        shape = rng.uniform(0.55, 0.95) * bump(ticks, now, 0.25, length, 0.3)
        _add(track, "mouthPucker", shape)
        now += rng.uniform(3.0, 5.0)


def _sway(ticks: np.ndarray, size: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Slow smooth motion (T, 3): four sines per axis, amplitude about ``size``."""
    hertz = rng.uniform(0.05, 0.35, (4, 3))
    phase = rng.uniform(0, 2 * np.pi, (4, 3))
    waves = np.sin(2 * np.pi * hertz * ticks[:, None, None] + phase)
    return waves.mean(axis=1) * size * 2.0


def _speak(track: ActorTrack, ticks: np.ndarray, utterance: Utterance) -> None:
    first = round(utterance.start * SPEECH_RATE)
    track.voice[first : first + len(utterance.samples)] += utterance.samples
    for name, shape in mouth_from_speech(utterance.samples, ticks - utterance.start).items():
        sides = _SIDES if name == "mouthStretch" else ("",)
        _add(track, name, shape, sides)
        if name == "jawOpen":  # the head goes along with the voice
            track.rotation[:, 0] += 0.05 * shape


def _give_cues(
    track: ActorTrack, ticks: np.ndarray, utterance: Utterance, rng: np.random.Generator
) -> list[Cue]:
    role, length = utterance.role, utterance.stop - utterance.start
    cues = [Cue(utterance.stop, role, "phrase_end")]
    if rng.random() < 0.45:
        start = utterance.start + rng.uniform(0.1, 0.3) * length
        _raise_brows(track, ticks, start, rng.uniform(0.6, 0.95))
        cues.append(Cue(start, role, "brow_raise"))
    if rng.random() < 0.4:
        start = utterance.stop - rng.uniform(0.1, 0.3)
        _smile(track, ticks, start, rng.uniform(0.6, 0.95))
        cues.append(Cue(start, role, "smile"))
    return cues


def _react(
    tracks: dict[str, ActorTrack],
    persons: dict[str, Actor],
    ticks: np.ndarray,
    cue: Cue,
    rng: np.random.Generator,
) -> Cue:
    """Let the other person react to a cue; the cue with the time of the reaction."""
    listener = ROLES[1 - ROLES.index(cue.role)]
    time = cue.time + rng.triangular(*DELAY)
    strength = rng.uniform(0.8, 1.0)
    if rng.random() > _REACTION_CHANCE or not ticks.size or time > ticks[-1]:
        return cue
    track = tracks[listener]
    for action, size in REACTIONS[persons[listener].style][cue.kind].items():
        if action == "smile":
            _smile(track, ticks, time, strength * size)
        elif action == "brow":
            _raise_brows(track, ticks, time, strength * size)
        else:
            _nod(track, ticks, time, strength * size)
    return Cue(cue.time, cue.role, cue.kind, time)


def _smile(track: ActorTrack, ticks: np.ndarray, start: float, size: float) -> None:
    shape = size * bump(ticks, start, 0.3, 0.7, 0.6)
    _add(track, "mouthSmile", shape, _SIDES)
    _add(track, "cheekSquint", 0.6 * shape, _SIDES)


def _raise_brows(track: ActorTrack, ticks: np.ndarray, start: float, size: float) -> None:
    shape = size * bump(ticks, start, 0.18, 0.35, 0.3)
    _add(track, "browInnerUp", shape)
    _add(track, "browOuterUp", 0.8 * shape, _SIDES)


def _nod(track: ActorTrack, ticks: np.ndarray, start: float, size: float) -> None:
    """Down first, two cycles, smooth at both ends."""
    phase = (ticks - start) * _NOD_HERTZ
    inside = (phase > 0) & (phase < _NOD_CYCLES)
    wave = 0.5 - 0.5 * np.cos(2 * np.pi * phase)
    track.rotation[:, 0] += np.where(inside, size * _NOD_RADIANS * wave, 0.0)


def _add(track: ActorTrack, name: str, shape: np.ndarray, sides: tuple[str, ...] = ("",)) -> None:
    for side in sides:
        channel = track.coefficients.setdefault(name + side, np.zeros(len(shape)))
        # The larger one wins: two smiles at once are not a smile twice as wide.
        np.maximum(channel, shape, out=channel)


def _finish(track: ActorTrack) -> None:
    """Opposed muscles do not act at once, and nothing leaves [0, 1]."""
    channels = track.coefficients
    raised = channels.get("browInnerUp")
    if raised is not None:
        for side in _SIDES:
            name = f"browDown{side}"
            if name in channels:
                channels[name] *= np.clip(1.0 - 1.5 * raised, 0.0, 1.0)
    smile = channels.get("mouthSmileLeft")
    if smile is not None and "mouthPucker" in channels:
        channels["mouthPucker"] *= np.clip(1.0 - 1.5 * smile, 0.0, 1.0)
    for channel in channels.values():
        np.clip(channel, 0.0, 1.0, out=channel)


def bump(ticks: np.ndarray, start: float, attack: float, hold: float, release: float) -> np.ndarray:
    """Rise from ``start`` on, stay at 1 and fall again, with half-cosine flanks: (T,) in [0, 1].

    All times are in seconds; ``attack``, ``hold`` and ``release`` are lengths.
    """
    up = np.clip((ticks - start) / attack, 0.0, 1.0)
    down = np.clip((ticks - start - attack - hold) / release, 0.0, 1.0)
    return (0.5 - 0.5 * np.cos(np.pi * up)) * (0.5 + 0.5 * np.cos(np.pi * down))
