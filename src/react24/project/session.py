"""A session: two persons and the files they were recorded in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from react24.project.choices import DEFAULT, Choices


@dataclass(frozen=True)
class Person:
    """One person of a session.

    Attributes:
        role: ``a`` or ``b``.
        subject: Who it is.
        role_name: The site's own name for the role; ``a`` or ``b`` where it has none.
        video: Path, starting with ``corpus.root``.
        audio: Path of the file the sound is read from; equal to ``video`` where the sheet names
            none.
        choices: How the recording is read.
    """

    role: str
    subject: str
    role_name: str
    video: Path
    audio: Path
    choices: Choices = DEFAULT


@dataclass(frozen=True)
class Session:
    """One row of the sample sheet.

    Attributes:
        session: Name.
        split: train, val, test, or auto where it is not decided yet.
        a: The first person.
        b: The second person.
        site: Site or corpus.
        row: Row of the sheet as a spreadsheet counts, from 1.
    """

    session: str
    split: str
    a: Person
    b: Person
    site: str
    row: int

    @property
    def people(self) -> tuple[Person, Person]:
        """Both persons, a first."""
        return self.a, self.b

    @property
    def files(self) -> dict[str, str]:
        """``video_a`` and ``video_b``, and ``audio_a``, ``audio_b`` where the sound lies apart."""
        found = {}
        for person in self.people:
            found[f"video_{person.role}"] = str(person.video)
            if person.audio != person.video:
                found[f"audio_{person.role}"] = str(person.audio)
        return found

    @property
    def subjects(self) -> tuple[str, str]:
        """Who the two persons are."""
        return self.a.subject, self.b.subject
