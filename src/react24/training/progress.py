"""Progress of a training: steps, rate, time left and the current loss."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType

from tqdm import tqdm

from react24.log import SECONDS_BETWEEN_LINES

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOSSES = 1.0
"""How often the loss on the bar is renewed; reading it makes a GPU wait."""


class StepProgress:
    """A bar when stderr is a terminal, otherwise a log line every ten seconds.

    Unlike ``react24.log.progress`` it shows the loss.
    """

    def __init__(self, what: str, total: int, start: int):
        self.what, self.total, self.start, self.done = what, total, start, start
        self.began = self.shown = time.monotonic()
        self.bar = None
        if sys.stderr.isatty():
            self.bar = tqdm(desc=what, unit="step", total=total, initial=start, leave=False)

    def due(self) -> bool:
        """Whether it is time to hand over the loss with the next step."""
        wait = SECONDS_BETWEEN_LOSSES if self.bar else SECONDS_BETWEEN_LINES
        return time.monotonic() - self.shown >= wait

    def step(self, loss: float | None = None) -> None:
        """One more step is done.

        Args:
            loss: Where ``due`` asked for it.
        """
        self.done += 1
        if self.bar:
            self.bar.update()
        if loss is None:
            return
        self.shown = time.monotonic()
        if self.bar:
            self.bar.set_postfix(loss=f"{loss:.4g}")
            return
        rate = (self.done - self.start) / (self.shown - self.began)
        left = (self.total - self.done) / rate
        logger.info(
            "%s: %d/%d steps, %.1f steps/s, %.0f s left, loss %.4g",
            *(self.what, self.done, self.total, rate, left, loss),
        )

    def __enter__(self) -> StepProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar:
            self.bar.close()
