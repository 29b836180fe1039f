"""What both stages are trained on: sequences of two windows, 64 frames, cut from the clips.

``fixed_batches`` has the semantics of the official code: sequences lie end to end from frame 0
(a clip of 750 frames gives 11), are mixed once, and batches are slices that stay together; an
epoch only mixes the batches and drops the last one if it is not full. ``anywhere`` draws every
sequence anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from react24.conventions import CLIP_FRAMES
from react24.errors import InputError
from react24.seeding import generator
from react24.training.dataset import ClipDataset, count_batches

CLIPS_AT_ONCE = 64
"""Clips looked at together where all are."""


@dataclass(frozen=True)
class Pieces:
    """Some sequences, or one window of each: int64 (n,) each.

    Attributes:
        listeners: Row of the listener.
        starts: First frame; below 0 the clip's first frame stands in for those before it.
        halves: 0 or 1, which window of the sequence is meant, where only one is.
    """

    listeners: Tensor
    starts: Tensor
    halves: Tensor

    def __getitem__(self, chosen: Tensor | slice) -> Pieces:
        return Pieces(self.listeners[chosen], self.starts[chosen], self.halves[chosen])

    def __len__(self) -> int:
        return len(self.listeners)

    @classmethod
    def end_to_end(cls, rows: int, length: int) -> Pieces:
        """Sequences of all clips, one after the other, in the order of the file."""
        starts = torch.arange(CLIP_FRAMES // length) * length
        listeners = torch.arange(rows).repeat_interleave(len(starts))
        return cls(listeners, starts.repeat(rows), torch.zeros_like(listeners))

    def both_halves(self) -> Pieces:
        """First all first windows, then all second ones."""
        twice = (torch.cat([x, x]) for x in (self.listeners, self.starts))
        return Pieces(*twice, torch.arange(2).repeat_interleave(len(self)))


class PieceBatches:
    """The pieces of every step of training and validation.

    Attributes:
        steps_per_epoch: Batches of an epoch.
        validation_steps: Batches of the validation clips.
    """

    def __init__(
        self,
        train: ClipDataset,
        val: ClipDataset | None,
        *,
        length: int,
        batch_size: int,
        anywhere: bool,
        windows: bool,
        first: int = 0,
        key: tuple[int | str, ...],
    ):
        """Say how the clips are cut.

        Args:
            train: Training clips.
            val: Validation clips.
            length: Frames of a sequence.
            batch_size: Pieces per step.
            anywhere: Draw pieces anew in each epoch.
            windows: A piece is one window of a sequence, not the whole of it.
            first: First frame at which a drawn sequence may start.
            key: Of the random stream that mixes fixed batches.
        """
        self.length, self.size, self.anywhere, self.first = length, batch_size, anywhere, first
        self.rows = train.rows
        self.train = self._all(train.rows, windows, generator(*key) if not anywhere else None)
        self.steps_per_epoch = count_batches(len(self.train), batch_size)
        if not anywhere:
            self.steps_per_epoch = max(1, len(self.train) // batch_size)
        self.val = self._all(val.rows, windows, None) if val else None
        self.validation_steps = count_batches(len(self.val), batch_size) if val else 0

    def _all(self, rows: int, windows: bool, mix: torch.Generator | None) -> Pieces:
        pieces = Pieces.end_to_end(rows, self.length)
        if mix is not None:
            pieces = pieces[torch.randperm(len(pieces), generator=mix)]
        return pieces.both_halves() if windows else pieces

    def training(self, step: int, order: torch.Generator) -> Pieces:
        """The pieces of a step; ``order`` is the generator of the epoch at its start."""
        count = len(self.train)
        if not self.anywhere:
            place = int(torch.randperm(self.steps_per_epoch, generator=order)[step])
            return self.train[place * self.size : (place + 1) * self.size]
        listeners = torch.randperm(count, generator=order) % self.rows
        last = CLIP_FRAMES - self.length
        starts = torch.randint(self.first, last + 1, (count,), generator=order)
        halves = torch.randint(2, (count,), generator=order)
        return Pieces(listeners, starts, halves)[step * self.size : (step + 1) * self.size]

    def validation(self, step: int) -> Pieces:
        """Pieces end to end, in order."""
        return self.val[step * self.size : (step + 1) * self.size]


def take_sequences(
    clips: ClipDataset, name: str, rows: Tensor, starts: Tensor, length: int
) -> Tensor:
    """Frames of some clips, (n, length, D); frames before 0 are frame 0."""
    inside = starts.clamp(min=0)
    taken = clips.take_windows(name, rows, inside, length)
    shift = (starts - inside).unsqueeze(1)
    if not shift.any():
        return taken
    frames = (torch.arange(length) + shift).clamp(min=0)  # (n, length)
    return taken[torch.arange(len(rows)).unsqueeze(1), frames]


def all_sequences(clips: ClipDataset, name: str, length: int) -> Iterator[Tensor]:
    """All sequences of a stream end to end, in batches (n, length, D)."""
    for rows in torch.arange(clips.rows).split(CLIPS_AT_ONCE):
        values = clips.take(name, rows)[:, : CLIP_FRAMES // length * length]
        yield values.reshape(-1, length, values.shape[-1])


def all_valid(clips: ClipDataset, name: str, length: int) -> Iterator[Tensor] | None:
    """Which frames of ``all_sequences`` are valid, bool (n, length); None where all are."""
    valid = clips.take_valid(name, torch.arange(clips.rows))
    if valid is None:
        return None
    cut = valid[:, : CLIP_FRAMES // length * length].unflatten(1, (-1, length))
    return (part.flatten(0, 1) for part in cut.split(CLIPS_AT_ONCE))


def check_columns(clips: ClipDataset, name: str, expected: int) -> None:
    """Refuse clips of another width than the settings say.

    Raises:
        InputError: They have.
    """
    found = clips.take(name, torch.zeros(1, dtype=torch.int64)).shape[-1]
    if found != expected:
        raise InputError(
            f"{clips.sources[name].path}: {found} columns; the settings of TranVAE ask for "
            f"{expected} (codebook.parts for motion, sound_dim x sound_rate for sound)"
        )
