"""Published weights: what there is, who may use it, and getting a file that is what it claims.

Nothing is fetched unless a setting names an entry of ``REGISTRY``. A file is used only after its
SHA-256 was compared with what the registry knows of it: the whole digest, or its first digits
where the publisher gives no more, or nothing. In the last two cases the whole digest is written
to ``weights.lock.json`` beside the file when the file is first used, and another one is refused
from then on.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

from react24.errors import InputError
from react24.files.atomic import atomic_path, sha256_file
from react24.log import progress

logger = logging.getLogger(__name__)

DEFAULT_FOLDER = Path("resources/weights")
LOCK_NAME = "weights.lock.json"
RANDOM = "random"
BLOCK = 1 << 20
TIMEOUT = 60.0


@dataclass(frozen=True)
class WeightsEntry:
    """One published file.

    Attributes:
        name: What a setting calls it.
        file: Its name in the weights folder.
        url: Where it is published: the file itself, or, with ``by_hand``, a page that leads to it.
        sha256: Whole digest (64 digits), its first digits, or None where nothing is published.
        megabytes: Size, for the reader's patience.
        licence: Its terms, as far as they are stated.
        who: Who may use it, in a sentence.
        format: What is in the file and how it is read.
        by_hand: True where a person has to fetch it with a browser.
    """

    name: str
    file: str
    url: str
    sha256: str | None
    megabytes: int
    licence: str
    who: str
    format: str
    by_hand: bool = False


@dataclass(frozen=True)
class ResolvedWeights:
    """What a ``weights`` setting stands for.

    Attributes:
        path: File or folder; None for random weights.
        name: ``random``, the registry's name, or the name of the local file.
        sha256: Of the file (for a folder: of the weights file in it); None for random weights.
        pretrained: False for random weights.
    """

    path: Path | None
    name: str
    sha256: str | None
    pretrained: bool

    def describe(self) -> str:
        """``name sha256``, as stored beside features."""
        return f"{self.name} {self.sha256}" if self.sha256 else self.name


_TORCHVGGISH = "https://github.com/harritaylor/torchvggish/releases/download/v0.1/"
_ANYONE = "Anyone, under the terms of the licence."
_APACHE_CARD = "Apache-2.0 (as its model card states)"
_WAV2VEC2_FORMAT = "state dict of transformers' Wav2Vec2 classes, "

REGISTRY: dict[str, WeightsEntry] = {
    entry.name: entry
    for entry in (
        WeightsEntry(
            name="face-landmarker",
            file="face_landmarker.task",
            url="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/"
            "float16/1/face_landmarker.task",
            sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
            megabytes=4,
            licence="Apache-2.0 (MediaPipe)",
            who=_ANYONE,
            format="zip archive of TensorFlow Lite networks",
        ),
        WeightsEntry(
            name="fid-inception",
            file="pt_inception-2015-12-05-6726825d.pth",
            url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
            "pt_inception-2015-12-05-6726825d.pth",
            sha256="6726825d",
            megabytes=96,
            licence="Apache-2.0 (TensorFlow's Inception of 2015-12-05, converted by pytorch-fid)",
            who=_ANYONE,
            format="torch state dict of Inception v3, 1008 classes, no auxiliary classifier",
        ),
        WeightsEntry(
            name="vggish",
            file="vggish-10086976.pth",
            url=_TORCHVGGISH + "vggish-10086976.pth",
            sha256="10086976",
            megabytes=288,
            licence="Apache-2.0 (AudioSet VGGish, converted by torchvggish)",
            who=_ANYONE,
            format="torch state dict, keys features.* and embeddings.*",
        ),
        WeightsEntry(
            name="vggish_pca",
            file="vggish_pca_params-970ea276.pth",
            url=_TORCHVGGISH + "vggish_pca_params-970ea276.pth",
            sha256="970ea276",
            megabytes=1,
            licence="Apache-2.0 (AudioSet VGGish, converted by torchvggish)",
            who=_ANYONE,
            format="torch file with two NumPy arrays, pca_eigen_vectors and pca_means",
        ),
        WeightsEntry(
            name="wav2vec2-base",
            file="wav2vec2-base.bin",
            url="https://huggingface.co/facebook/wav2vec2-base/resolve/"
            "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8/pytorch_model.bin",
            sha256=None,
            megabytes=380,
            licence=_APACHE_CARD,
            who=_ANYONE,
            format=_WAV2VEC2_FORMAT + "torch file (the main branch has no safetensors file)",
        ),
        WeightsEntry(
            name="wav2vec2-base-960h",
            file="wav2vec2-base-960h.safetensors",
            url="https://huggingface.co/facebook/wav2vec2-base-960h/resolve/"
            "22aad52d435eb6dbaf354bdad9b0da84ce7d6156/model.safetensors",
            sha256=None,
            megabytes=378,
            licence=_APACHE_CARD,
            who=_ANYONE,
            format=_WAV2VEC2_FORMAT + "safetensors",
        ),
        WeightsEntry(
            name="swin_fer",
            file="swin_fer.pth",
            # The folder that the REACT 2024 baseline's README names for REGNN's networks.
            url="https://drive.google.com/drive/folders/18I-yfpY1mlLqp4-E443xxwXNWh3ET-RN",
            sha256=None,
            megabytes=111,
            licence="none stated",
            who="Its authors do not say; ask them (REGNN baseline of REACT 2024).",
            format="torch state dict of Microsoft's Swin code, Swin-T with 7 classes",
            by_hand=True,
        ),
    )
}
"""Name -> entry. Tests add their own entries; nothing else changes it."""

Opener = Callable[..., BinaryIO]


def find_entry(name: str) -> WeightsEntry:
    """Look up a name.

    Raises:
        InputError: No such entry (lists those there are).
    """
    if name not in REGISTRY:
        raise InputError(f"no weights are called {name!r}; known: {', '.join(sorted(REGISTRY))}")
    return REGISTRY[name]


def fetch(
    name: str, folder: str | Path = DEFAULT_FOLDER, *, opener: Opener = urllib.request.urlopen
) -> Path:
    """Make sure that a published file is in ``folder`` and is the right one.

    A file that is already there is only checked. Otherwise it is downloaded under a temporary
    name, checked, and renamed, so that a broken download is never taken for the file.

    Args:
        name: A key of ``REGISTRY``.
        folder: Where weights live.
        opener: Called with (url, timeout=seconds); returns a readable response.

    Raises:
        InputError: Unknown name, no connection or a file that only a person can fetch (says
            which to put where), or a file with another digest.
    """
    entry = find_entry(name)
    path = Path(folder) / entry.file
    if not path.exists():
        _download(entry, path, opener)
    verify(name, path)
    return path


def verify(name: str, path: Path) -> str:
    """Compare a file with the registry and the lock file; lock it on first use.

    Returns:
        Its whole SHA-256.

    Raises:
        InputError: Another digest than expected.
    """
    entry = find_entry(name)
    digest = sha256_file(path)
    _check_published(entry, path, digest)
    if entry.sha256 is not None and len(entry.sha256) == 64:
        return digest
    with _locked(path.parent / LOCK_NAME) as digests:
        known = digests.setdefault(entry.file, digest)
    if known != digest:
        raise InputError(
            f"{path}: its SHA-256 is {digest}, but {path.parent / LOCK_NAME} has {known} from the "
            "first time this file was used. Put the former file back, or, if the change is meant, "
            f"delete the line of {entry.file} from the lock file; features made with the former "
            "file then no longer match."
        )
    return digest


def resolve(
    setting: str,
    folder: str | Path = DEFAULT_FOLDER,
    *,
    download: bool = True,
    opener: Opener = urllib.request.urlopen,
) -> ResolvedWeights:
    """Turn a ``weights`` setting into a file.

    Args:
        setting: ``random``, a key of ``REGISTRY``, or the path of a file or folder. A name of the
            registry wins over a path; write ``./vggish`` for a folder of that name.
        folder: Where published weights are kept.
        download: Fetch a published file that is not there yet.
        opener: See ``fetch``.

    Raises:
        InputError: Neither, or a file that cannot be had or is not the right one.
    """
    if setting == RANDOM:
        return ResolvedWeights(None, RANDOM, None, False)
    if setting in REGISTRY:
        entry = REGISTRY[setting]
        path = Path(folder) / entry.file
        if not path.exists() and not download:
            raise InputError(_by_hand(entry, path, "it is not there and fetching is switched off"))
        if not path.exists():
            _download(entry, path, opener)
        return ResolvedWeights(path, entry.name, verify(setting, path), True)
    path = Path(setting)
    if not path.exists():
        raise InputError(
            f"weights {setting!r}: no such file or folder, and no published weights of that name; "
            f"accepted: {RANDOM}, a path, or one of {', '.join(sorted(REGISTRY))}"
        )
    return ResolvedWeights(path, path.name, sha256_file(find_weights_file(path)), True)


def find_weights_file(path: Path) -> Path:
    """The file itself, or the weights file in a folder in the layout of transformers.

    Raises:
        InputError: A folder without one.
    """
    if path.is_file():
        return path
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (path / name).is_file():
            return path / name
    raise InputError(f"{path}: neither model.safetensors nor pytorch_model.bin is in this folder")


def _check_published(entry: WeightsEntry, path: Path, digest: str, what: str = "") -> None:
    if entry.sha256 is None or digest.startswith(entry.sha256):
        return
    raise InputError(
        f"{path}: {what or 'this file'} has SHA-256 {digest}, expected "
        f"{entry.sha256}{'' if len(entry.sha256) == 64 else '...'}: it is incomplete or another "
        f"file. Delete it and fetch {entry.name} again from {entry.url}"
    )


def missing_by_hand(name: str, folder: str | Path = DEFAULT_FOLDER) -> str | None:
    """What to do for weights that are not there and cannot be fetched; None where all is well."""
    entry = REGISTRY.get(name)
    if entry is None or not entry.by_hand or (Path(folder) / entry.file).exists():
        return None
    return _with_a_browser(entry, Path(folder) / entry.file)


def _with_a_browser(entry: WeightsEntry, path: Path) -> str:
    return (
        f"weights {entry.name}: they cannot be fetched from here. Open {entry.url} in a browser, "
        f"download {entry.file} (about {entry.megabytes} MB), put it at {path}, and run again"
    )


def _download(entry: WeightsEntry, path: Path, opener: Opener) -> None:
    if entry.by_hand:
        raise InputError(_with_a_browser(entry, path))
    logger.info("fetching %s (%d MB, %s) to %s", entry.url, entry.megabytes, entry.licence, path)
    if entry.sha256 is None:
        logger.warning(
            "no checksum of %s is published: the first download is trusted and its SHA-256 is "
            "kept in %s; later changes are refused",
            entry.name,
            path.parent / LOCK_NAME,
        )
    with atomic_path(path) as temporary:
        try:
            with opener(entry.url, timeout=TIMEOUT) as response, temporary.open("wb") as file:
                _copy(response, file, entry)
        except (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError) as error:
            raise InputError(_by_hand(entry, path, str(error))) from error
        _check_published(entry, path, sha256_file(temporary), "what was downloaded")


def _copy(response: BinaryIO, file: BinaryIO, entry: WeightsEntry) -> None:
    length = int(getattr(response, "headers", {}).get("Content-Length") or 0)
    total = -(-length // BLOCK) if length else None
    blocks = iter(lambda: response.read(BLOCK), b"")
    written = 0
    for block in progress(blocks, what=f"fetching {entry.name}", unit="MiB", total=total):
        written += file.write(block)
    if length and written != length:
        raise ConnectionError(f"the connection ended after {written} of {length} bytes")


def _by_hand(entry: WeightsEntry, path: Path, reason: str) -> str:
    if entry.by_hand:
        return _with_a_browser(entry, path)
    return (
        f"weights {entry.name}: cannot fetch {entry.url} ({reason}). Download that file on a "
        f"machine with a connection, put it at {path}, and run again"
    )


@contextmanager
def _locked(path: Path) -> Iterator[dict[str, str]]:
    """Yield the lock file's content; write it back where it changed. One process at a time."""
    guard = path.with_name(f".{path.name}.guard")
    with guard.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        digests = json.loads(path.read_text()) if path.exists() else {}
        before = dict(digests)
        yield digests
        if digests != before:
            with atomic_path(path) as temporary:
                temporary.write_text(json.dumps(digests, indent=2, sort_keys=True) + os.linesep)
