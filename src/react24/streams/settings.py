"""Settings of the built-in streams, beside those of every stream (``enabled``, ``backend``)."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from react24.contracts.settings import PathText, SettingsModel


class FaceSettings(SettingsModel):
    """Streams that are read off the face track."""

    weights: PathText = Field("face-landmarker", examples=["weights/face_landmarker.task"])
    """For `backend: blendshapes`: `face-landmarker`, which is fetched on first use, or the path of
    that bundle (`.task`) or of the network in it (`.tflite`)."""

    focal: float | None = Field(None, ge=1, examples=[1400])
    """Focal length of the cameras in pixels; `null` takes the longer side of each picture and
    trusts the head's place in it half, because pictures are often cut out of wider ones."""


class NetworkSettings(SettingsModel):
    """Streams that a network makes."""

    weights: PathText = Field("random", examples=["resources/weights/my_weights.safetensors"])
    """`random` (seeded; everything downstream is marked as not pretrained), the path of a weights
    file, or a name that `react24 fetch-weights` knows."""

    seed: int = Field(0, ge=0, examples=[1])
    """Seed of the network's weights with `weights: random`."""


class Wav2Vec2Settings(NetworkSettings):
    """The stream `wav2vec2`."""

    window: float = Field(30.0, ge=5, examples=[30.04])
    """Seconds of sound the network sees at once. Its output depends on the length of what it sees,
    so all sessions use the same; shorter sound is padded."""

    overlap: float = Field(5.0, ge=0, examples=[5.0])
    """Seconds by which neighbouring windows overlap; must be shorter than a window."""

    @model_validator(mode="after")
    def _overlap_fits(self) -> Self:
        if self.overlap >= self.window:
            raise ValueError(
                f"found overlap {self.overlap:g} with window {self.window:g}; accepted is an "
                "overlap shorter than a window"
            )
        return self
