"""One file per extractor: each turns one person's track or sound into a stream at 25 frames/s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from react24.store import Features

Source = TypeVar("Source", contravariant=True)


class Extractor(Protocol[Source]):
    """What every extractor offers.

    Attributes:
        name: Stream and backend, e.g. ``graphau-landmarks``.
        feature_names: D names, in the order of the columns.
    """

    name: str
    feature_names: tuple[str, ...]

    def extract(self, source: Source) -> Features:
        """Features of one person in one session, one row per 25 fps tick."""
        ...
