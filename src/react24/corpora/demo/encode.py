"""Write pictures and sound as an MP4 file with H.264 and AAC that any player opens."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from react24.files.contract import atomic_path

TIME_BASE = Fraction(1, 90_000)
"""Unit of the picture times: fine enough for every frame rate, even or uneven."""

_AUDIO_BIT_RATE = 96_000
_AUDIO_FRAME = 1024  # samples of one AAC frame
# One thread and a fixed group of pictures: the same pictures give the same bytes.
_X264 = {"preset": "veryfast", "crf": "18", "g": "50", "sc_threshold": "0", "threads": "1"}


def write_mp4(
    path: str | Path,
    pictures: Iterable[np.ndarray],
    times: np.ndarray,
    seconds: float,
    sound: np.ndarray,
    audio_rate: int,
) -> None:
    """Encode one video, atomically.

    Args:
        path: Final name.
        pictures: uint8 (H, W, 3) RGB, one for each of ``times``; H and W even.
        times: (N,) seconds at which the pictures appear, rising, from 0.
        seconds: When the last picture goes.
        sound: float32 (n, channels) in [-1, 1], one or two channels.
        audio_rate: Samples per second.
    """
    ticks = np.round(np.append(times, seconds) / float(TIME_BASE)).astype(np.int64)
    rate = Fraction(len(times) / seconds).limit_denominator(1001)
    with (
        atomic_path(path) as temporary,
        av.open(str(temporary), "w", format="mp4", options={"fflags": "+bitexact"}) as container,
    ):
        video = container.add_stream("libx264", rate=rate, options=dict(_X264))
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = TIME_BASE
        layout = {1: "mono", 2: "stereo"}[sound.shape[1]]
        audio = container.add_stream("aac", rate=audio_rate, layout=layout)
        audio.bit_rate = _AUDIO_BIT_RATE
        heard = 0
        for number, picture in enumerate(pictures):
            if number == 0:
                video.height, video.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = int(ticks[number]), TIME_BASE
            frame.duration = int(ticks[number + 1] - ticks[number])
            container.mux(video.encode(frame))
            # Sound up to the end of this picture, so that the two lie side by side in the file.
            until = round(float(ticks[number + 1] * TIME_BASE) * audio_rate)
            while heard + _AUDIO_FRAME <= min(until, len(sound)):
                _add_sound(container, audio, sound, heard, _AUDIO_FRAME, audio_rate)
                heard += _AUDIO_FRAME
        if heard < len(sound):
            _add_sound(container, audio, sound, heard, len(sound) - heard, audio_rate)
        container.mux(audio.encode(None))
        container.mux(video.encode(None))


def _add_sound(container, audio, sound: np.ndarray, start: int, count: int, rate: int) -> None:
    part = np.ascontiguousarray(sound[start : start + count].T, np.float32)
    frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=audio.layout.name)
    frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
    container.mux(audio.encode(frame))
