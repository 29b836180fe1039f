"""Opening media files and choosing their streams, with errors that a user understands."""

from __future__ import annotations

from dataclasses import dataclass
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


HAVE_A_CLOCK = frozenset(
    {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "ogg", "nut", "flv", "asf", "asf_o"}
)
"""Formats in which second 0 means something: a stream that starts late says so.

Others count from their first sample (WAV, FLAC, MP3, ADTS) or from anywhere (transport streams).
"""


def open_media(path: str | Path) -> av.container.InputContainer:
    """Open a media file for reading; use it as a context manager.

    Raises:
        InputError: It is missing, may not be read, is empty, or no media file that can be read.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file; correct the path in the sample sheet")
        with path.open("rb"):
            pass
    except PermissionError as error:
        raise InputError(
            f"{path}: it may not be read (permission denied); correct the rights of the file and "
            "of its folders"
        ) from error
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); copy or record it again")
    try:
        return av.open(str(path), mode="r", metadata_errors="replace")
    except READ_ERRORS as error:
        raise InputError(f"{path}: {_why_not_opened(path)} ({error.strerror})") from error


def header_seconds(path: str | Path) -> float | None:
    """How long a file is, as its header has it; None where it does not say or cannot be read."""
    try:
        with open_media(path) as container:
            return container.duration / av.time_base if container.duration else None
    except InputError:
        return None


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


def list_videos(container: av.container.InputContainer) -> dict[int, str]:
    """FFmpeg's index among the video streams (``0:v:N``) -> what it is; no cover pictures."""
    found = {}
    for index, stream in enumerate(container.streams.video):
        if _is_cover(stream):
            continue
        context = stream.codec_context
        size = f", {context.width}x{context.height}" if context is not None else ""
        title = next((v for k, v in stream.metadata.items() if k.lower() == "title"), "")
        found[index] = f"{index}{f' {title!r}' if title else ''}{size}"
    return found


def _is_cover(stream: av.VideoStream) -> bool:
    attached = bool(stream.disposition & av.stream.Disposition.attached_pic)
    return attached or stream.frames == 1  # cameras keep a preview that is not marked


@dataclass(frozen=True)
class SoundTrack:
    """A sound stream of a file: its index among them, and what the file states (empty: nothing)."""

    index: int
    title: str
    language: str
    channels: int

    def describe(self) -> str:
        """For the user: index, title, language."""
        named = f" {self.title!r}" if self.title else ""
        return f"{self.index}{named}" + (f" ({self.language})" if self.language else "")


_NO_TITLES = frozenset({"soundhandler", "sound media handler", "core media audio", "apple sound"})
"""Names that programs give to every sound stream."""


def list_tracks(container: av.container.InputContainer) -> list[SoundTrack]:
    """The sound streams of a file, in its order."""
    tracks = []
    for index, stream in enumerate(container.streams.audio):
        # Matroska's tags keep the case of their writer.
        tags = {key.lower(): value.strip() for key, value in stream.metadata.items()}
        handler = tags.get("handler_name", "")
        title = tags.get("title") or ("" if handler.lower() in _NO_TITLES else handler)
        language = tags.get("language", "")
        known = stream.codec_context is not None
        channels = stream.codec_context.channels if known else 0
        tracks.append(SoundTrack(index, title, "" if language == "und" else language, channels))
    return tracks


def pick_sound(container: av.container.InputContainer, track: str = "") -> av.AudioStream | None:
    """The sound stream that is wanted, or None where there is no sound.

    ``track`` is its index among the sound streams, or title; empty for the main one.

    Raises:
        InputError: There is no such track.
    """
    streams = container.streams.audio
    if not streams:
        return None
    if not track:
        return container.streams.best("audio")
    if track.isdecimal() and int(track) < len(streams):
        return streams[int(track)]
    tracks = list_tracks(container)
    named = [t.index for t in tracks if t.title and t.title.casefold() == track.casefold()]
    if len(named) != 1:
        found = "; ".join(t.describe() for t in tracks)
        several = "several sound tracks" if named else "no sound track"
        raise InputError(
            f"{container.name}: {several} {track!r}; it has: {found}; accepted in audio_track_* of "
            f"the sample sheet is an index or a title"
        )
    return streams[named[0]]
