"""The demo corpus: six short conversations as real video files, with the truth beside them.

``react24.corpora.demo.sessions`` says what is in it, ``make_demo_session`` makes one session. The
same name, seed and length give the same bytes on one machine. See ``docs/demo_corpus.md``.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np

from react24.conventions import FPS
from react24.corpora.demo.behaviour import Actor, Performance, perform
from react24.corpora.demo.encode import write_mp4
from react24.corpora.demo.puppet import Puppet, draw_look
from react24.corpora.demo.sessions import PersonSpec, find_session
from react24.corpora.demo.speech import load_voice, resample
from react24.corpora.demo.staging import Motion, draw_pictures, is_covered, mix_sound, set_in_motion
from react24.errors import InputError
from react24.files.contract import create
from react24.log import progress
from react24.rig.model import load_rig

FILES = ("a.mp4", "b.mp4", "truth.h5")
"""What a session consists of."""

COVER_SECONDS = 1.0
"""How long a covered face stays covered."""

CUE_DTYPE = np.dtype([("time", "<f8"), ("role", "S1"), ("kind", "S16"), ("reaction", "<f8")])
"""One cue of ``truth.h5``: when, who, what, and when the other began to react (NaN: never)."""


def make_demo_session(
    name: str, folder: str | Path, *, seed: int = 24, seconds: float | None = None
) -> None:
    """Make one demo session: ``a.mp4``, ``b.mp4`` and ``truth.h5`` in ``folder``.

    The files appear under their names only when all of them are complete, so an interrupted run
    leaves an older valid session as it was.

    Args:
        name: A key of ``DEMO_SESSIONS``.
        folder: Folder of the session, made if missing.
        seed: Seed of everything random.
        seconds: Length instead of the specified one, at least 1 s.

    Raises:
        InputError: No such session, or a length under one second.
    """
    spec = find_session(name)
    folder = Path(folder)
    length = spec.seconds if seconds is None else float(seconds)
    if length < 1.0:
        raise InputError(f"demo session {name}: seconds is {length:g}, expected at least 1")
    folder.mkdir(parents=True, exist_ok=True)
    # All three files or none: a mixture of two runs would pass for a session.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as making:
        _make_files(Path(making), name, seed, length)
        for file in FILES:
            (Path(making) / file).replace(folder / file)


def _make_files(folder: Path, name: str, seed: int, seconds: float) -> None:
    spec = find_session(name)
    performance = perform_session(name, seed=seed, seconds=seconds)
    rig = load_rig()
    motions = {}
    for role, person in spec.persons.items():
        puppet = Puppet(rig, draw_look(_generator(seed, person.subject, "look")))
        track = performance.tracks[role]
        motions[role] = set_in_motion(track, rig.names, puppet)
        times = frame_times(person, seconds, _generator(seed, name, role, "clock"))
        pictures = draw_pictures(puppet, motions[role], times, _cover_seconds(person, seconds))
        noise = _generator(seed, name, role, "noise")
        write_mp4(
            folder / f"{role}.mp4",
            progress(pictures, what=f"drawing {name}/{role}", unit="frame", total=len(times)),
            times,
            seconds,
            mix_sound(track.voice, person.audio_rate, person.channels, noise),
            person.audio_rate,
        )
    with create(
        folder / "truth.h5",
        schema="truth",
        created_by="make_demo_session",
        config={"session": name, "seed": seed, "seconds": seconds, "rig": rig.version},
    ) as file:
        file.attrs["session"] = name
        file.create_dataset("cues", data=_cue_table(performance))
        for role, person in spec.persons.items():
            _write_truth(file.create_group(role), person, motions[role], rig.names, seconds)


def perform_session(name: str, *, seed: int = 24, seconds: float | None = None) -> Performance:
    """What the two persons of a demo session do, without drawing it; see `make_demo_session`."""
    spec = find_session(name)
    persons = {
        role: Actor(_voice_of(person), person.style) for role, person in spec.persons.items()
    }
    length = spec.seconds if seconds is None else seconds
    return perform(persons, length, _generator(seed, name, "performance"))


def frame_times(person: PersonSpec, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """When the frames of a video appear: (N,) seconds, rising from 0, all before ``seconds``.

    A variable clock takes steps of 1/30, 1/25 and 1/20 s and now and then skips a frame.
    """
    if not person.variable:
        return np.arange(round(seconds * person.fps)) / person.fps
    most = int(seconds * 30.0) + 1
    steps = rng.choice([1 / 30, 1 / 25, 1 / 20, 1 / 12], size=most, p=[0.34, 0.35, 0.25, 0.06])
    times = np.concatenate([[0.0], np.cumsum(steps)])
    return times[times < seconds - 0.01]


def _voice_of(person: PersonSpec) -> list[np.ndarray]:
    """The person's sentences: those of the stored voice, higher and faster by ``pitch``."""
    sentences = load_voice(person.voice)
    if person.pitch == 1.0:
        return sentences
    return [resample(s, round(len(s) / person.pitch)) for s in sentences]


def _cover_seconds(person: PersonSpec, seconds: float) -> tuple[float, float] | None:
    if person.covered is None:
        return None
    start = person.covered * seconds
    return start, start + COVER_SECONDS


def _generator(seed: int, *purpose: str) -> np.random.Generator:
    """A generator of its own for every purpose, so that one change does not shift the others."""
    return np.random.default_rng([seed, zlib.crc32("/".join(purpose).encode())])


def _cue_table(performance: Performance) -> np.ndarray:
    rows = [(c.time, c.role.encode(), c.kind.encode(), c.reaction) for c in performance.cues]
    return np.array(rows, CUE_DTYPE)


def _write_truth(
    group: h5py.Group,
    person: PersonSpec,
    motion: Motion,
    names: tuple[str, ...],
    seconds: float,
) -> None:
    group.create_dataset("coefficients", data=motion.coefficients)
    group.create_dataset("rotation", data=motion.rotation)
    group.create_dataset("translation", data=motion.translation)
    group.create_dataset("names", data=np.array(names, "S32"))
    ticks = np.arange(len(motion.rotation)) / FPS
    cover = _cover_seconds(person, seconds)
    group.create_dataset("covered", data=is_covered(ticks, cover))
    group.attrs["fps"] = FPS
    group.attrs["subject"] = person.subject
    group.attrs["style"] = person.style
    group.attrs["person"] = json.dumps(asdict(person), sort_keys=True)
