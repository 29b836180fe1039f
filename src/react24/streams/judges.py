"""The judges of faces that the settings of a face stream name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from react24.errors import InputError
from react24.rig.judge import Judge
from react24.rig.student import load_student

PUBLISHED = "face-landmarker"
"""Name of the bundle with MediaPipe's blendshape network in the weights registry."""


def open_judge(settings: Mapping[str, object]) -> Judge:
    """The judge of a stream's settings (``backend``, ``weights``).

    Raises:
        InputError: The network of ``backend: blendshapes`` cannot be had.
    """
    if settings.get("backend", "landmarks") == "landmarks":
        return load_student()
    return load_network(str(settings.get("weights", PUBLISHED)))


def load_network(weights: str | Path = PUBLISHED) -> Judge:
    """MediaPipe's published network.

    Args:
        weights: Name of the registry, fetched on first use, or the path of a bundle (``.task``) or
            of the network alone (``.tflite``).

    Raises:
        InputError: It cannot be had, or is another file.
    """
    from react24.streams.blendshape_network import BlendshapeNetwork
    from react24.weights.fetch import resolve

    path = resolve(str(weights)).path
    if path is None:
        raise InputError(f"weights: found {weights!r}; accepted is {PUBLISHED}, or a path")
    return BlendshapeNetwork(path)
