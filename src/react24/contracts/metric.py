"""What a metric of one's own says of itself, and what its function is given.

Nothing heavy is imported: the workflow and the configuration ask. ``docs/add_a_metric.md`` adds
one in a file of your own; the official metrics are those of ``react24.metrics``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from react24.contracts.entry_points import from_file, resolve
from react24.conventions import METRICS
from react24.errors import InputError, nearest

if TYPE_CHECKING:
    import numpy as np

Arrow = Literal["↑", "↓", ""]
"""Which way is better; empty where neither is."""

OTHER_COLUMNS = (
    "source", "model", "variant", "split", "space", "clips", "samples", "seed", "seeds",
    "pretrained", "backend", "appropriate", "FRRea", "valid", "dropped", "notices",
)  # fmt: skip
"""What the table of metrics has beside numbers, their deviations (``_std``) and official metrics
with their variants (``FRCorr_mean``)."""


@dataclass(frozen=True)
class Direction:
    """One person's reactions to the other one in one clip, with all that they are judged by.

    Behaviour is float32, 25 channels (``react24.conventions.EMOTION_NAMES``) at 25 frames per
    second, in the space of ``metrics.space``; arrays are read only. Frames that are not known hold
    made-up values: nobody saw the face. Reactions are known throughout.

    Attributes:
        reactions: The S samples of the model, (S, T, 25).
        listener: What the listener really did, (T, 25).
        speaker: What he reacted to, (T, 25).
        appropriate: The K reactions that are appropriate, his own mostly among them, (K, T, 25).
        listener_known: Frames in which the listener is known, bool (T,).
        speaker_known: The same of the speaker, bool (T,).
        appropriate_known: The same of the appropriate reactions, bool (K, T).
    """

    reactions: np.ndarray
    listener: np.ndarray
    speaker: np.ndarray
    appropriate: np.ndarray
    listener_known: np.ndarray
    speaker_known: np.ndarray
    appropriate_known: np.ndarray


@dataclass(frozen=True)
class Metric:
    """A column of the table: the mean over directions of what a function makes of each.

    Attributes:
        name: Of the column: letters, digits and ``_``.
        title: What it is, for people.
        arrow: Which way is better.
        decimals: Of the tables for people.
        function: Takes a `Direction` and returns a number, NaN where it is not defined. Or its
            entry point, ``module:function``, where it shall be imported by the scoring job alone.
    """

    name: str
    title: str
    arrow: Arrow
    decimals: int
    function: Callable[[Direction], float] | str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z]\w*", self.name, re.ASCII):
            raise InputError(
                f"metric {self.name!r}: accepted is a name of letters (A-Z, a-z), digits and '_', "
                "starting with a letter"
            )
        if self.arrow not in get_args(Arrow):
            raise InputError(
                f"metric {self.name}: arrow is {self.arrow!r}; accepted is '↑' where more is "
                "better, '↓' where less is, '' where neither"
            )

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules of an entry point, for digests of the source."""
        return (self.function.partition(":")[0],) if isinstance(self.function, str) else ()

    def find_function(self) -> Callable[[Direction], float]:
        """The function, imported where it is an entry point.

        Raises:
            InputError: There is none.
        """
        found = resolve(self.function) if isinstance(self.function, str) else self.function
        if not callable(found):
            raise InputError(
                f"metric {self.name}: function is {found!r}; accepted is a function, or "
                "'module:function'"
            )
        return found

    def value(self, direction: Direction) -> float:
        """The number of one direction; NaN where it is not defined.

        Raises:
            InputError: The function returns no finite number, or there is none.
        """
        found = self.find_function()(direction)
        try:
            value = float(found)
        except (TypeError, ValueError):
            value = math.inf
        if math.isinf(value):
            raise InputError(
                f"metric {self.name}: its function returned {found!r:.80} "
                f"({type(found).__name__}); accepted is one finite number, or NaN where the metric "
                "is not defined"
            )
        return value


def open_metric(path: str, root: str | Path = ".") -> Metric:
    """The metric that a Python file defines as ``METRIC``.

    Args:
        path: Of the file.
        root: Folder that the path starts from.

    Raises:
        InputError: The file cannot be used, or the metric has the name of another column.
    """
    _check_file(Path(root) / path)
    metric = from_file(path, root, "METRIC", Metric, "metric")
    folded = metric.name.casefold()
    official = [name for name in METRICS if folded.startswith(name.casefold())]
    taken = folded in {name.casefold() for name in OTHER_COLUMNS} or folded.endswith("_std")
    if official or taken:
        what = f"that of the official {official[0]}" if official else "one of the table's columns"
        raise InputError(
            f"{path} defines a metric called {metric.name!r}, which is {what} or could be taken "
            f"for it; accepted is a name that does not start with {', '.join(METRICS)}, nor end "
            f"with _std, nor is one of {', '.join(OTHER_COLUMNS)}"
        )
    return metric


def open_metrics(paths: Iterable[str], root: str | Path = ".") -> list[Metric]:
    """The metrics of several files, in their order.

    Raises:
        InputError: As for ``open_metric``.
    """
    return [open_metric(path, root) for path in paths]


def _check_file(path: Path) -> None:
    """Refuse a file that is not there, with the name of one that may be meant."""
    if path.suffix == ".py" and path.is_file():
        return
    near = nearest(path.name, [found.name for found in path.parent.glob("*.py")])
    hint = f"; did you mean {path.with_name(near)}?" if near else ""
    what = "no such file" if not path.is_file() else "accepted is a Python file (.py)"
    raise InputError(f"metric {path}: {what}{hint}")
