"""One recording that stands in the sample sheet more than once, perhaps encoded again."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from react24.conventions import ROLES
from react24.errors import InputErrors
from react24.files import contract
from react24.log import progress
from react24.media import whereabouts
from react24.media.fingerprint import Fingerprint, Likeness, compare
from react24.project.choices import DEFAULT, Choices

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """One person's recording: whose, in which session and split, and what its pictures show."""

    session: str
    role: str
    subject: str
    split: str
    video: Path
    fingerprint: Fingerprint
    choices: Choices = DEFAULT


@dataclass(frozen=True)
class Repeat:
    """Two recordings that are one, in the order in which they were given."""

    first: Recording
    second: Recording
    likeness: Likeness

    @property
    def refused(self) -> bool:
        """Whether it must not be: one recording under two subjects, or in two splits."""
        return self.first.subject != self.second.subject or self.first.split != self.second.split

    def sentence(self) -> str:
        """What was found and what to do, for people."""
        one, other = self.first, self.second
        if one.subject != other.subject:
            what = f"under two subjects, {one.subject} and {other.subject}"
        elif one.split != other.split:
            what = f"in two splits, {one.split} and {other.split}"
        else:
            what = f"twice in the split {one.split}"
        return (
            f"{one.video} (session {one.session}, role {one.role}) and {other.video} (session "
            f"{other.session}, role {other.role}) are the same recording {what} "
            f"({self.likeness.describe()}); take one of the sessions out of the sample sheet, or "
            "correct it"
        )


def find_repeated(recordings: Sequence[Recording]) -> list[Repeat]:
    """Recordings that show the same, taken pair by pair over all sessions, in their order.

    Two that take different parts or faces of one picture are two recordings. The two roles of one
    session are not compared here: ``probe_session`` refuses them. A pair takes a few milliseconds.
    """
    repeats = []
    pairs = combinations(recordings, 2)
    total = len(recordings) * (len(recordings) - 1) // 2
    for one, other in progress(pairs, what="comparing recordings", unit="pair", total=total):
        parts = [(each.choices.crop, each.choices.face) for each in (one, other)]
        if one.session == other.session or parts[0] != parts[1]:
            continue
        found = compare(one.fingerprint, other.fingerprint)
        if found is not None and found.same:
            repeats.append(Repeat(one, other, found))
    return repeats


def read_recordings(media: Iterable[str | Path], splits: Mapping[str, str]) -> list[Recording]:
    """The recordings of media files; ``splits`` is session -> split."""
    found = []
    for path in media:
        with contract.open_file(path, "media") as file:
            session = str(file.attrs["session"])
            for role in (role for role in ROLES if role in file):
                group = file[role]
                found.append(
                    Recording(
                        session,
                        role,
                        str(group.attrs["subject"]),
                        splits[session],
                        whereabouts.name(file, role, "video"),
                        Fingerprint(
                            group["fingerprint/times"][:], group["fingerprint/pictures"][:]
                        ),
                        Choices.from_json(group.attrs["choices"]),
                    )
                )
    return found


def refuse_repeated(repeats: Sequence[Repeat]) -> None:
    """Stop where one recording is under two subjects or in two splits.

    Raises:
        InputErrors: One sentence for each pair.
    """
    refused = [repeat.sentence() for repeat in repeats if repeat.refused]
    if refused:
        raise InputErrors("the same recording is used more than once", refused)


def compare_recordings(
    media: Iterable[str | Path], output: str | Path, *, splits: Mapping[str, str]
) -> None:
    """Compare all recordings of a corpus with each other, before anything is learned from them.

    Repeats within one split and of one subject are let through with a warning.

    Args:
        media: Media files.
        output: JSON file to write: a list of what was let through, one sentence each.
        splits: Session -> split.

    Raises:
        InputErrors: One recording is under two subjects or in two splits.
    """
    repeats = find_repeated(read_recordings(media, splits))
    refuse_repeated(repeats)
    sentences = [repeat.sentence() for repeat in repeats]
    for sentence in sentences:
        logger.warning("%s", sentence)
    with contract.atomic_path(output) as temporary:
        temporary.write_text(json.dumps(sentences, indent=2, ensure_ascii=False) + "\n", "utf-8")
