"""Stand-in until the branch `digest` is merged."""

from typing import Any


def shaping(value: Any) -> Any:
    """What of a setting changes numbers."""
    return value
