"""Networks in TensorFlow Lite's format, run by LiteRT, from a file or out of a bundle.

A bundle is what MediaPipe publishes as ``.task``: a zip archive of several networks. Nothing in
either kind of file is run as code; a network can only combine LiteRT's operators.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from react24.errors import InputError
from react24.files.contract import sha256_file

logger = logging.getLogger(__name__)

MARK = b"TFL3"
"""Bytes 4 to 8 of every TensorFlow Lite file."""

LARGEST = 256 << 20
"""Bytes that a network in a bundle may have once unpacked."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class NetworkFile:
    """A network that was read, not yet built.

    Attributes:
        content: The TensorFlow Lite file.
        label: Where it is from, for messages: the file, with the bundle's part.
        file: Name of the file on disk, without folders.
        sha256: Of the file on disk (of the whole bundle).
    """

    content: bytes
    label: str
    file: str
    sha256: str


def read_network(path: str | Path, part: str) -> NetworkFile:
    """Read one network of a bundle, or a file that is this network alone.

    Args:
        path: A ``.task`` bundle or a ``.tflite`` file; told apart by content, not by name.
        part: Name of the network in the bundle.

    Raises:
        InputError: No such file, neither kind, or a bundle without this part.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a .task bundle or a .tflite network")
    if zipfile.is_zipfile(path):
        content, label = _unpack(path, part), f"{path} ({part})"
    else:
        content, label = path.read_bytes(), str(path)
    if content[4:8] != MARK:
        raise InputError(
            f"{label}: not a TensorFlow Lite network; accepted: a .task bundle with {part}, or "
            "that .tflite file itself. If it was downloaded, delete it and fetch it again"
        )
    return NetworkFile(content, label, path.name, sha256_file(path))


def _unpack(path: Path, part: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as bundle:
            names = bundle.namelist()
            if part not in names:
                raise InputError(f"{path}: no {part} in this bundle, only {', '.join(names)}")
            if bundle.getinfo(part).file_size > LARGEST:
                raise InputError(f"{path}: {part} has more than {LARGEST >> 20} MiB")
            return bundle.read(part)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError) as error:
        raise InputError(f"{path}: a damaged bundle ({error}); fetch it again") from error


class Network:
    """A network with one input, run on one thread of the processor.

    Args:
        source: What ``read_network`` returned.
        takes: Shape of the input; always float32.
        gives: Shapes of the outputs, in the order of the file.

    Raises:
        InputError: LiteRT cannot run the file, or its input or outputs are others.
    """

    def __init__(self, source: NetworkFile, takes: Shape, gives: Sequence[Shape]):
        from ai_edge_litert.interpreter import Interpreter

        try:
            with quiet_stderr():
                self._interpreter = Interpreter(model_content=source.content, num_threads=1)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"{source.label}: cannot be run ({error}); if it was downloaded, fetch it again"
            ) from error
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        found = _describe(inputs), _describe(outputs)
        expected = [(takes, "float32")], [(tuple(shape), "float32") for shape in gives]
        if found != expected:
            raise InputError(
                f"{source.label}: another network than expected: it takes {found[0]} and gives "
                f"{found[1]}, expected {expected[0]} and {expected[1]}"
            )
        self._input = inputs[0]["index"]
        self._outputs = [output["index"] for output in outputs]

    def run(self, values: np.ndarray) -> list[np.ndarray]:
        """The outputs for one input, float32 of the shapes that the constructor was given."""
        self._interpreter.set_tensor(self._input, values)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


def _describe(tensors: list[dict]) -> list[tuple[Shape, str]]:
    return [(tuple(int(n) for n in t["shape"]), np.dtype(t["dtype"]).name) for t in tensors]


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what C++ code writes while a network starts out of the console.

    LiteRT and MediaPipe greet there, and no setting stops them. If the block fails, the text is
    logged after all.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        console = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except Exception:
            kept.seek(0)
            logger.error("it said: %s", kept.read().decode(errors="replace"))  # noqa: TRY400
            raise
        finally:
            os.dup2(console, 2)
            os.close(console)
