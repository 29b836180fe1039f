"""The table of streams: what there is at 25 frames per second, and what makes it.

A row here is all that the configuration, the rules, ``react24 extract`` and the models know of a
stream; its extractor is a class in the module that the row names. A stream of your own is a Python
file that defines ``STREAM`` (``docs/add_a_stream.md``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from react24.contracts.entry_points import from_file
from react24.contracts.stream import RANDOM, Backend, Stream
from react24.conventions import COEFFICIENT_DIM, EMOTION_NAMES
from react24.errors import InputError, nearest

_HERE = "react24.streams"

_LANDMARKS = (
    "reads the face rig and a small network of our own, and needs no licensed file or download"
)
_BLENDSHAPES = (
    "asks MediaPipe's published network instead of ours (a download of 4 MB, docs/faces.md), and "
    "is the better one"
)


def _from_landmarks(extractor: str) -> Backend:
    return Backend(
        "faces", extractor, "faces", _LANDMARKS, settings=("focal",), shares_neutral=True
    )


def _from_blendshapes(extractor: str) -> Backend:
    return Backend(
        "faces",
        extractor,
        "faces",
        _BLENDSHAPES,
        settings=("focal", "weights"),
        weights=("face-landmarker",),
        shares_neutral=True,
    )


STREAMS = {
    stream.name: stream
    for stream in (
        Stream(
            "graphau",
            EMOTION_NAMES,
            {
                "landmarks": _from_landmarks(f"{_HERE}.graphau.landmarks:LandmarksGraphAU"),
                "blendshapes": _from_blendshapes(f"{_HERE}.blendshapes:BlendshapesGraphAU"),
            },
            "15 action units, valence, arousal, 8 expressions",
            settings=f"{_HERE}.settings:FaceSettings",
            always=True,
        ),
        Stream(
            "faceverse",
            COEFFICIENT_DIM,
            {
                "landmarks": _from_landmarks(f"{_HERE}.faceverse.landmarks:LandmarksFaceVerse"),
                "blendshapes": _from_blendshapes(f"{_HERE}.blendshapes:BlendshapesFaceVerse"),
            },
            "52 expression coefficients, rotation, translation",
            settings=f"{_HERE}.settings:FaceSettings",
            always=True,
        ),
        Stream(
            "vggish",
            128,
            {
                "vggish": Backend(
                    "sound",
                    f"{_HERE}.vggish:VGGish",
                    "torch",
                    weights=(RANDOM, "vggish"),
                    gpu=True,
                    mem_mb=2500,
                    runtime=240,
                )
            },
            "VGGish embedding per 40 ms of sound",
            settings=f"{_HERE}.settings:NetworkSettings",
        ),
        Stream(
            "wav2vec2",
            768,
            {
                "wav2vec2": Backend(
                    "sound",
                    f"{_HERE}.wav2vec2:Wav2Vec2",
                    "torch",
                    weights=(RANDOM, "wav2vec2-base", "wav2vec2-base-960h"),
                    gpu=True,
                    mem_mb=3000,
                    runtime=240,
                )
            },
            "last hidden state of wav2vec2-base, pooled to 25 per second",
            settings=f"{_HERE}.settings:Wav2Vec2Settings",
            keep_native=False,  # 15 GB a copy on the full corpus
        ),
        Stream(
            "swin",
            768,
            {
                "swin": Backend(
                    "pictures",
                    f"{_HERE}.swin:Swin",
                    "torch",
                    weights=(RANDOM, "swin_fer"),
                    gpu=True,
                    mem_mb=2500,
                    runtime=480,
                )
            },
            "Swin-T embedding of the face, picture by picture",
            settings=f"{_HERE}.settings:NetworkSettings",
        ),
        Stream(
            "mfcc",
            78,
            {"kaldi": Backend("sound", f"{_HERE}.mfcc:MFCC", "torch", mem_mb=1500, runtime=30)},
            "13 cepstra of two windows per 40 ms of sound, with deltas; needs no weights",
        ),
        Stream(
            "logmel",
            512,
            {"hann": Backend("sound", f"{_HERE}.logmel:LogMel", "torch", mem_mb=1500, runtime=30)},
            "128 mel bands, four times per 40 ms of sound; needs no weights",
            rows=4,
        ),
    )
}
"""Name -> stream, in the order of every list."""


def names() -> tuple[str, ...]:
    """Names of the built-in streams."""
    return tuple(STREAMS)


def get(name: str, section: Mapping[str, Any] | None = None, root: str | Path = ".") -> Stream:
    """A stream.

    Args:
        name: Its name in the configuration.
        section: Its section there; ``type`` is the path of the Python file of one's own stream.
        root: Folder that this path starts from.

    Raises:
        InputError: There is none, or the file cannot be used.
    """
    if kind := (section or {}).get("type"):
        stream = from_file(str(kind), root, "STREAM", Stream, "stream type")
        if stream.name != name or name in STREAMS:
            raise InputError(
                f"streams.{name}.type: found {kind!r}, which defines a stream called "
                f"{stream.name!r}; accepted is a file whose STREAM has the name of the section, "
                f"and that of no built-in stream ({', '.join(STREAMS)})"
            )
        return stream
    if name not in STREAMS:
        near = nearest(name, STREAMS)
        raise InputError(
            f"there is no stream {name!r}; {f'did you mean {near}? ' if near else ''}known: "
            f"{', '.join(STREAMS)}, or a name of your own with the path of a Python file that "
            "defines STREAM as its `type`"
        )
    return STREAMS[name]
