"""Where a recording stops being readable."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from react24.errors import InputError

WHAT_TO_DO = (
    "replace the file, or set media.tolerate_damage to true to use the session up to this second"
)


@dataclass(frozen=True)
class Damage:
    """The first place from which on a file cannot be trusted.

    Attributes:
        role: ``a`` or ``b``.
        file: The damaged file.
        second: Time on the role's own timeline (0 = its first picture or sound), in seconds.
        message: What is wrong, as a clause.
    """

    role: str
    file: str
    second: float
    message: str

    def sentence(self) -> str:
        """The damage as one sentence for the user."""
        return f"{self.file} (role {self.role}), second {self.second:.2f}: {self.message}"


class DamagedFileError(InputError):
    """A file is unreadable, for a reason (a clause), from a second of the role's timeline on."""

    def __init__(self, path: str | Path, second: float, reason: str):
        self.path = Path(path)
        self.second = float(second)
        self.reason = reason
        super().__init__(f"{path}, second {second:.2f}: {reason}; {WHAT_TO_DO}")
