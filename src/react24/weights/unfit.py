"""What speaks against a file of weights from its outside: in a moment, and without torch."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

FOLDER_FILES = ("model.safetensors", "pytorch_model.bin")
"""The weights file of a folder in the layout of transformers, the first that is there."""

ZIP = b"PK\x03\x04"
NUMPY = b"\x93NUMPY"
PICKLE = b"\x80"
"""How torch wrote its files before version 1.6."""
_TFLITE = b"TFL3"

_STARTS = {
    b"version https://git-lfs": "a Git LFS pointer that stands for the file (git lfs pull gets it)",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"\x1f\x8b": "a gzip archive (unpack it first)",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive (unpack it first)",
    b"Rar!": "a RAR archive (unpack it first)",
    b"%PDF": "a PDF document",
}
_PAGE = "a web page, not a download (a page that asks to sign in, perhaps)"


def explain_unfit(path: Path) -> str:
    """Why a file cannot be one of weights; empty where its outside does not tell.

    Args:
        path: A file, or a folder in the layout of transformers.
    """
    if path.is_dir():
        inside = [path / name for name in FOLDER_FILES if (path / name).exists()]
        if not inside:
            return f"neither {' nor '.join(FOLDER_FILES)} is in this folder"
        told = explain_unfit(inside[0])
        return f"{inside[0].name} in it: {told}" if told else ""
    try:
        if not path.is_file():
            what = f"a link to {path.readlink()}, which is not there" if path.is_symlink() else ""
            return what or "no such file"
        with path.open("rb") as file:
            start = file.read(4096)
            size = os.fstat(file.fileno()).st_size
    except PermissionError:
        return "it may not be read (permission denied); correct the rights of file and folders"
    if start.startswith(ZIP):
        return "" if zipfile.is_zipfile(path) else f"it is cut short (after {size} bytes)"
    if start.startswith((NUMPY, PICKLE)) or start[4:8] == _TFLITE:
        return ""
    if start[8:9] == b"{":
        return _explain_safetensors(path, size)
    return f"this is {guess_kind(start)}; accepted is a file of weights"


def _explain_safetensors(path: Path, size: int) -> str:
    """Whether such a file ends where its header says."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if 8 + length > size:
            return f"it is cut short, or no file of weights (its header ends after {size} bytes)"
        try:
            header = json.loads(file.read(length))
            ends = [about["data_offsets"][1] for key, about in header.items() if key[:2] != "__"]
        except (ValueError, LookupError, TypeError, AttributeError):
            return "its header is not that of a safetensors file"
    wanted = 8 + length + max(ends, default=0)
    return f"it has {size} bytes; its header says {wanted}" if wanted != size else ""


def guess_kind(start: bytes) -> str:
    """What a file that cannot be used is, by its first bytes."""
    if not start:
        return "an empty file"
    for magic, what in _STARTS.items():
        if start.startswith(magic):
            return what
    if start[257:262] == b"ustar":
        return "a tar archive (unpack it first)"
    text = start.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return _PAGE
    if b"\0" not in start:
        return f"text, beginning with {start[:40].decode('utf-8', 'replace')!r}"
    return "a file of an unknown kind"
