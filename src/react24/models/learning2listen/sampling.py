"""Reactions to a speaker, drawn code by code: both stages together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from react24.contracts.reactions import Reactions, load_stage
from react24.errors import InputError
from react24.models.learning2listen.codebook import MotionCodebook
from react24.models.learning2listen.motion import smooth_motion
from react24.models.learning2listen.predictor import CodePredictor, nucleus
from react24.models.learning2listen.settings import SamplingConfig, TranvaeSettings, read_settings

STEPS_AT_ONCE = 32
"""Steps whose speaker's side is computed at once: their activations stay within the cache."""


def speaker_steps(
    predictor: CodePredictor, motion: Tensor, sound: Tensor, config: SamplingConfig
) -> Tensor:
    """The speaker's side of every step; it does not depend on the codes that are drawn.

    Args:
        predictor: Stage 2.
        motion: (B, T, D) standardised, T the window plus a multiple of 8.
        sound: (B, T * rate, A) standardised.
        config: For ``sound_offset``.

    Returns:
        (B, (T - 32) / 8, 5, 200).
    """
    patch, rate = predictor.codebook.patch, predictor.sound_rate
    seen = motion.unfold(1, predictor.frames, patch).transpose(2, 3)  # (B, steps, 40, D)
    stride = patch * rate if config.sound_offset == "aligned" else patch
    heard = sound.unfold(1, predictor.frames * rate, stride)[:, : seen.shape[1]].transpose(2, 3)
    parts = zip(
        seen.flatten(0, 1).split(STEPS_AT_ONCE),
        heard.flatten(0, 1).split(STEPS_AT_ONCE),
        strict=True,
    )
    features = torch.cat([predictor.speaker_features(*part) for part in parts])
    return features.unflatten(0, seen.shape[:2])


class Windows:
    """What a codebook makes of windows of codes; each is decoded once, however often it is met.

    The official sampler decodes the last codes at each step and encodes the motion again; every
    fourth time they are a window of the reaction, too.
    """

    def __init__(self, codebook: MotionCodebook):
        self.codebook = codebook
        self._motion: dict[tuple[int, ...], Tensor] = {}
        self._codes: dict[tuple[int, ...], Tensor] = {}

    def decode(self, codes: Tensor) -> Tensor:
        """Motion, standardised: int64 (N, 4) -> (N, 32, D)."""
        return _look_up(self._motion, codes, self.codebook.decode)

    def requantise(self, codes: Tensor) -> Tensor:
        """Codes of the motion that codes stand for: int64 (N, 4) -> int64 (N, 4)."""
        return _look_up(self._codes, codes, lambda new: self.codebook.indices(self.decode(new)))


def _look_up(
    known: dict[tuple[int, ...], Tensor], codes: Tensor, compute: Callable[[Tensor], Tensor]
) -> Tensor:
    """What ``compute`` gives for rows of codes (N, 4); ``known`` keeps it."""
    rows = [tuple(row) for row in codes.tolist()]
    new = list(dict.fromkeys(row for row in rows if row not in known))
    if new:
        known |= zip(new, compute(codes.new_tensor(new)), strict=True)
    return torch.stack([known[row] for row in rows])


def draw(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """Codes from probabilities (N, codes) and uniform numbers (N,) in [0, 1), by inversion."""
    sums = probabilities.double().cumsum(-1)
    wanted = uniform.to(sums).unsqueeze(1) * sums[:, -1:]
    return torch.searchsorted(sums, wanted, right=True).squeeze(1)


@torch.no_grad()
def sample_codes(
    windows: Windows,
    predictor: CodePredictor,
    features: Tensor,
    config: SamplingConfig,
    uniform: Tensor | None,
    n_samples: int = 1,
    trace: list[Tensor] | None = None,
) -> Tensor:
    """Draw a code per step, all clips and samples at once.

    The first four steps see only the codes drawn so far; before them lies the mean face.

    Args:
        windows: Of stage 1.
        predictor: Stage 2.
        features: (B, steps, 5, 200) of ``speaker_steps``.
        config: Temperature, top-p, re-encoding.
        uniform: (B * S, steps) in [0, 1), decides what is drawn; None takes the likeliest code.
        n_samples: S.
        trace: Where given, receives the probabilities (B * S, codes) of each step.

    Returns:
        int64 (B * S, 4 + steps); the first 4 are the codes of the mean face.
    """
    tokens, steps, codebook = predictor.tokens, features.shape[1], windows.codebook
    face = torch.zeros(1, codebook.config.window, codebook.config.channels, device=features.device)
    codes = codebook.indices(face).expand(len(features) * n_samples, tokens)
    codes = functional.pad(codes, (0, steps))
    for step in range(steps):
        past = codes[:, step : step + tokens]
        if step and config.reencode:
            past = windows.requantise(past)
        speaker = features[:, step].repeat_interleave(n_samples, dim=0)
        logits = predictor(speaker, past, step, rows=1)[:, 0]
        found = nucleus(logits, config.temperature, config.top_p).probabilities
        chosen = found.argmax(-1) if uniform is None else draw(found, uniform[:, step])
        codes[:, step + tokens] = chosen
        if trace is not None:
            trace.append(found)
    return codes


def pad_frames(sequence: Tensor, before: int, after: int) -> Tensor:
    """Repeat the first and the last frame of (B, T, D) so many times."""
    return functional.pad(sequence.transpose(1, 2), (before, after), mode="replicate").transpose(
        1, 2
    )


def write(windows: Windows, codes: Tensor) -> Tensor:
    """Motion of what ``sample_codes`` drew, standardised: (N, 4 + steps) -> (N, 8 steps, D)."""
    tokens = windows.codebook.config.tokens_per_window
    motion = windows.decode(codes[:, tokens:].reshape(-1, tokens))
    return motion.reshape(len(codes), -1, motion.shape[-1])


class Learning2Listen:
    """Both stages, ready to sample (a ``react24.contracts.reactions.ReactionModel``)."""

    def __init__(
        self, codebook: MotionCodebook, predictor: CodePredictor, settings: TranvaeSettings
    ):
        self.codebook, self.predictor = codebook.eval(), predictor.eval()
        self.settings = settings

    def to(self, device: torch.device | str) -> Learning2Listen:
        """Move both networks."""
        self.codebook.to(device)
        self.predictor.to(device)
        return self

    @torch.no_grad()
    def react(
        self,
        speaker: Mapping[str, Tensor],
        n_samples: int,
        generators: Sequence[torch.Generator],
    ) -> Reactions:
        """Draw reactions to ``speaker["speaker"]`` (B, T, 58) and ``speaker["sound"]``.

        Sound is (B, T, rate * A). The generator of a clip gives steps uniform numbers per sample.
        A speaker is continued by his last frame up to a whole window; what is drawn beyond frame
        T is cut.

        Raises:
            InputError: Other streams than the model was made for, or ``n_samples`` not positive.
        """
        if n_samples < 1:
            raise InputError(f"n_samples must be at least 1, found {n_samples}")
        motion, sound = self._standardise(speaker["speaker"], speaker["sound"])
        clips, frames = motion.shape[:2]
        window = self.codebook.config.window
        lead = 0 if self.predictor.config.start == "hidden" else window
        drawn = window * max(1, -(-(frames - lead) // window))
        before, after = window - lead, lead + drawn - frames
        motion, sound = (pad_frames(x, before, max(0, after)) for x in (motion, sound))
        rows = sound.unflatten(-1, (self.predictor.sound_rate, -1)).flatten(1, 2)
        features = speaker_steps(self.predictor, motion, rows, self.settings.sampling)
        shape = (n_samples, features.shape[1])
        uniform = torch.cat([torch.rand(shape, generator=g) for g in generators])
        windows = Windows(self.codebook)
        codes = sample_codes(
            windows, self.predictor, features, self.settings.sampling, uniform, n_samples
        )
        written = functional.pad(write(windows, codes), (0, 0, lead, 0))[:, :frames]
        coefficients = self.codebook.units.to_native(written)
        emotion = self.codebook.behaviour(written)
        return Reactions(
            emotion.unflatten(0, (clips, n_samples)), coefficients.unflatten(0, (clips, n_samples))
        )

    def _standardise(self, motion: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        predictor = self.predictor
        expected = (predictor.codebook.channels, predictor.sound_dim * predictor.sound_rate)
        found = (motion.shape[-1], sound.shape[-1])
        if found != expected:
            raise InputError(
                f"the speaker's motion and sound have {found[0]} and {found[1]} columns; this "
                f"model was made for {expected[0]} and {expected[1]}"
            )
        if self.settings.smooth:
            motion = smooth_motion(motion)
        rows = sound.unflatten(-1, (predictor.sound_rate, -1))
        return predictor.speaker_units(motion), predictor.sound_units(rows).flatten(2)


def load(
    settings: Mapping[str, Any], weights: Mapping[str, Mapping[str, Tensor]]
) -> Learning2Listen:
    """The trained model, from the tensors of stages ``codebook`` and ``predictor`` as saved.

    Raises:
        InputError: The weights do not belong to a model of these settings.
    """
    resolved = read_settings(settings)
    codebook = MotionCodebook(resolved.codebook, resolved.emotion)
    predictor = make_predictor(resolved)
    for stage, module in (("codebook", codebook), ("predictor", predictor)):
        load_stage(module, weights, stage)
    return Learning2Listen(codebook, predictor, resolved)


def make_predictor(settings: TranvaeSettings) -> CodePredictor:
    """A predictor of these settings, untrained."""
    return CodePredictor(
        settings.predictor,
        settings.codebook,
        sound_dim=settings.sound_dim,
        sound_rate=settings.sound_rate,
    )
