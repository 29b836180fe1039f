"""Opening media files and choosing their streams, with errors that a user understands."""

from __future__ import annotations

from pathlib import Path

import av
import av.error

from react24.errors import InputError

READ_ERRORS = (av.error.FFmpegError,)
"""What PyAV raises where a file is unreadable."""

STATE_LENGTH = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "wav", "flac", "asf"})
"""Formats (FFmpeg's names) whose header states how long the streams are.

For others FFmpeg guesses, from the bit rate for instance, and a guess proves no damage.
"""


def open_media(path: str | Path) -> av.container.InputContainer:
    """Open a media file for reading; use it as a context manager.

    Raises:
        InputError: It is missing, empty, or no media file that can be read.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; correct the path in the sample sheet")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); copy or record it again")
    try:
        return av.open(str(path), mode="r", metadata_errors="replace")
    except READ_ERRORS as error:
        raise InputError(f"{path}: {_why_not_opened(path)} ({error.strerror})") from error


def _why_not_opened(path: Path) -> str:
    if path.suffix.lower() in {".mp4", ".mov", ".m4v", ".m4a"} and _lacks_index(path):
        return (
            "cannot be opened because its index (the `moov` box, which stands at the end here) is "
            "missing: the recording or the copy was cut short; copy it again, or repair it from a "
            "backup"
        )
    return "cannot be opened as a video or sound file; use MP4, MOV, MKV, WebM, AVI or WAV"


def _lacks_index(path: Path) -> bool:
    """Whether an MP4 file starts properly but has no ``moov`` box in its top level."""
    size = path.stat().st_size
    position = 0
    seen = False
    with path.open("rb") as file:
        while position + 8 <= size:
            file.seek(position)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            kind = header[4:8]
            if kind == b"moov":
                return False
            seen = seen or kind == b"ftyp"
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            if length < 8:
                break
            position += length
    return seen


def pick_video(container: av.container.InputContainer) -> av.VideoStream | None:
    """The main video stream (cover pictures are not video), or None."""
    streams = [s for s in container.streams.video if not _is_cover(s)]
    if not streams:
        return None
    best = container.streams.best("video")
    return best if best in streams else streams[0]


def _is_cover(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def pick_sound(container: av.container.InputContainer) -> av.AudioStream | None:
    """The main sound stream, or None."""
    return container.streams.best("audio") if container.streams.audio else None
