"""What is in the demo corpus: six sessions, twelve people.

Kept apart from the drawing, because the sample sheet is checked against it at every start.
"""

from __future__ import annotations

from dataclasses import dataclass

from react24.errors import InputError


@dataclass(frozen=True)
class PersonSpec:
    """One person of a demo session and how their video is made.

    Attributes:
        subject: Who.
        role_name: The site's own name of the role.
        style: Listener style, ``smiler`` or ``nodder``.
        voice: espeak-ng voice of the stored sentences.
        pitch: Factor on pitch and tempo of that voice.
        fps: Frames per second; the mean where ``variable``.
        variable: Frames at irregular times, as a telephone records them.
        audio_rate: Samples per second of the sound.
        channels: 1 or 2.
        covered: When a card hides the face for a second, as a share of the length; None for never.
    """

    subject: str
    role_name: str
    style: str
    voice: str
    pitch: float = 1.0
    fps: float = 25.0
    variable: bool = False
    audio_rate: int = 16_000
    channels: int = 1
    covered: float | None = None


@dataclass(frozen=True)
class SessionSpec:
    """One demo session.

    Attributes:
        split: ``train``, ``val`` or ``test``.
        a: Person of role a.
        b: Person of role b.
        seconds: Length of both videos.
        site: Name of the recording site.
    """

    split: str
    a: PersonSpec
    b: PersonSpec
    seconds: float = 31.0
    site: str = "demo"

    @property
    def persons(self) -> dict[str, PersonSpec]:
        """Role -> person."""
        return {"a": self.a, "b": self.b}


def _expert(subject: str, style: str, voice: str, **settings) -> PersonSpec:
    return PersonSpec(subject, "expert", style, voice, **settings)


def _novice(subject: str, style: str, voice: str, **settings) -> PersonSpec:
    return PersonSpec(subject, "novice", style, voice, **settings)


_VOICES = ("en-us+m3", "en-gb+f2", "en-us+f4", "en-gb+m7")

DEMO_SESSIONS: dict[str, SessionSpec] = {
    "demo01": SessionSpec(
        "train",
        _expert("subject01", "smiler", _VOICES[0]),
        _novice("subject02", "nodder", _VOICES[1]),
    ),
    "demo02": SessionSpec(
        "train",
        _expert("subject03", "nodder", _VOICES[2], audio_rate=48_000),
        _novice("subject04", "smiler", _VOICES[3], fps=30.0, audio_rate=48_000),
    ),
    "demo03": SessionSpec(
        "train",
        _expert("subject05", "smiler", _VOICES[1], pitch=0.94, covered=0.4),
        _novice("subject06", "nodder", _VOICES[0], pitch=1.06),
    ),
    "demo04": SessionSpec(
        "val",
        _expert("subject07", "nodder", _VOICES[3], pitch=1.07, variable=True),
        _novice("subject08", "smiler", _VOICES[2], pitch=0.93),
    ),
    "demo05": SessionSpec(
        "test",
        _expert("subject09", "smiler", _VOICES[0], pitch=0.93, audio_rate=44_100, channels=2),
        _novice("subject10", "nodder", _VOICES[2], pitch=1.06, audio_rate=44_100, channels=2),
    ),
    "demo06": SessionSpec(
        "test",
        _expert("subject11", "nodder", _VOICES[1], pitch=1.07, audio_rate=48_000),
        _novice("subject12", "smiler", _VOICES[3], pitch=0.94, audio_rate=48_000),
    ),
}
"""Session name -> what it is. No subject is in two sessions, so none is in two splits."""


def find_session(name: str) -> SessionSpec:
    """The specification of a demo session.

    Raises:
        InputError: No such session.
    """
    if name not in DEMO_SESSIONS:
        known = ", ".join(DEMO_SESSIONS)
        raise InputError(f"there is no demo session {name!r}; demo sessions: {known}")
    return DEMO_SESSIONS[name]
