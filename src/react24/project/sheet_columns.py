"""The columns of the sample sheet; ``config/README.md`` lists them from here."""

from __future__ import annotations

from dataclasses import dataclass

from react24.conventions import SPLITS

NAME = r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}"
"""Names that become names of files."""

_SHORT = r"[^\x00-\x1f/\\]{0,64}"


@dataclass(frozen=True)
class Column:
    """One column; every cell is text.

    Attributes:
        text: What it says.
        required: Whether each row must fill it.
        pattern: What a whole cell must match, if anything.
        accepted: The pattern in words.
        choices: The cells that there are; empty for any.
    """

    text: str
    required: bool = False
    pattern: str = ""
    accepted: str = ""
    choices: tuple[str, ...] = ()


def _name(text: str) -> Column:
    words = "1 to 64 letters (A-Z, a-z), digits, '_', '-' and '.', not starting with '.'"
    return Column(text, required=True, pattern=NAME, accepted=words)


def _short(text: str) -> Column:
    words = "at most 64 characters without '/', '\\' and control characters"
    return Column(text, pattern=_SHORT, accepted=words)


def _per_person(name: str, text: str) -> dict[str, Column]:
    """A column for each person; ``{}`` in the text is who it is."""
    return {f"{name}_{role}": Column(text.format(role)) for role in ("a", "b")}


COLUMNS = {
    "session": _name("Name of the session, unique in the sheet; files of results carry it."),
    "split": Column(
        "Where the session belongs; `auto` is decided by `split` and `seed` of the configuration, "
        "whole groups of sessions that share a person at a time.",
        required=True,
        choices=(*SPLITS, "auto"),
    ),
    "video_a": Column("Video of person a.", required=True),
    "video_b": Column("Video of person b.", required=True),
    "subject_a": _name("Who person a is; the same name in every session of that person."),
    "subject_b": _name("Who person b is."),
    **_per_person("audio", "Sound of person {}, where it is not inside the video."),
    "role_a": _short(
        "The site's own name for the role of person a, such as `expert`; `a` where empty."
    ),
    "role_b": _short(
        "The site's own name for the role of person b, such as `novice`; `b` where empty."
    ),
    "site": _short(
        "Site or corpus of the session, such as `NoXI`; the name of the corpus where empty."
    ),
    **_per_person(
        "offset",
        "When person {}'s video starts, in seconds after the session's zero; positive is later. "
        "Only the difference between the two persons counts: a session begins with the recording "
        "that starts last.",
    ),
    **_per_person(
        "audio_offset",
        "Delay of a sound file of its own against its video, in seconds, on top of what the file's "
        "clock says (a WAV file has none: its start); negative where the recorder was started "
        "before the camera.",
    ),
    **_per_person(
        "audio_track",
        "Which sound track of the file, where there are several: its number from 0, or its title; "
        "the main one where empty.",
    ),
    **_per_person(
        "audio_channel",
        "Which channel of the sound: a number from 0, `left`, `right`, or `mix`, the mean of all, "
        "which is also taken where empty.",
    ),
    **_per_person(
        "crop",
        "Part of the picture that shows person {}, as `x,y,width,height` in pixels of the picture "
        "as a player shows it; both persons may then name the same video.",
    ),
    **_per_person(
        "face",
        "`left` or `right`: whose face is followed where the picture shows two people; both "
        "persons may then name the same video.",
    ),
    **_per_person(
        "neutral",
        "From and to second of the video at which the face is at rest, such as `12.0-15.5`; "
        "looked for where empty.",
    ),
}
"""Name -> column, in the order of the table."""
