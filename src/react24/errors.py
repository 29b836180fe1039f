"""Errors a user can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave us cannot be used.

    The message names the file (and row, frame or second), says what was found, what is accepted
    and what to do.
    """


class InputErrors(InputError):
    """Several input errors found in one pass, reported together.

    Attributes:
        problems: One sentence per problem, in the order in which they were found.
    """

    def __init__(self, title: str, problems: list[str]):
        self.problems = list(problems)
        lines = "\n".join(f"  {i}. {p}" for i, p in enumerate(self.problems, start=1))
        super().__init__(f"{title}\n{lines}")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like ``word``, None if none is close."""
    found = difflib.get_close_matches(word.casefold(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None
