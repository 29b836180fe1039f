"""Small test recordings, written with PyAV; what they show and say is known exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

Picture = Callable[[int], np.ndarray]


def numbered(index: int, size: int = 64) -> np.ndarray:
    """A picture (size, size, 3) that carries its number in the brightness of 4x4 blocks."""
    picture = np.full((size, size, 3), 40, np.uint8)
    cell = size // 4
    for bit in range(12):
        row, column = divmod(bit, 4)
        value = 220 if index >> bit & 1 else 40
        picture[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = value
    return picture


def read_number(picture: np.ndarray) -> int:
    """The number that ``numbered`` put into a picture."""
    cell = picture.shape[0] // 4
    number = 0
    for bit in range(12):
        row, column = divmod(bit, 4)
        block = picture[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell]
        number |= int(block.mean() > 130) << bit
    return number


def noisy(index: int, size: int = 64) -> np.ndarray:
    """``numbered`` with noise on it, so that every packet has a size worth damaging."""
    noise = np.random.default_rng(index).integers(-30, 30, (size, size, 3))
    return np.clip(numbered(index, size).astype(int) + noise, 0, 255).astype(np.uint8)


def click(seconds: float, rate: int, at: float, channels: int = 1) -> np.ndarray:
    """Silence (channels, n) with one sample of 0.9 at ``at`` seconds."""
    samples = np.zeros((channels, round(seconds * rate)), np.float32)
    samples[:, round(at * rate)] = 0.9
    return samples


def tone(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    """A quiet tone of 220 Hz, (channels, n)."""
    wave = 0.3 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)
    return np.repeat(wave[None].astype(np.float32), channels, axis=0)


def write_media(
    path: Path,
    *,
    picture: Picture = numbered,
    frames: int = 0,
    fps: Fraction | int = 25,
    times: Sequence[float] | None = None,
    video_start: float = 0.0,
    sound: np.ndarray | None = None,
    rate: int = 16000,
    sound_start: float = 0.0,
    codec: str = "libx264",
    sound_codec: str = "aac",
    gop: int = 12,
    b_frames: int = 2,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a recording.

    Args:
        path: File; the suffix decides the container.
        picture: Index -> uint8 (H, W, 3).
        frames: Number of pictures (0: none, sound only), unless ``times`` is given.
        fps: Constant rate, where ``times`` is not given.
        times: Presentation times in s, one per picture, for variable rates.
        video_start: Added to all presentation times of the pictures, s.
        sound: float32 (channels, n) in [-1, 1]; None for no sound.
        rate: Of the sound, Hz.
        sound_start: Presentation time of its first sample, s.
        codec: Of the pictures.
        sound_codec: Of the sound.
        gop: Distance of key pictures.
        b_frames: Bidirectional pictures in a row.
        options: Of the container, e.g. ``{"movflags": "faststart"}``.
    """
    if times is None:
        times = [float(Fraction(i) / Fraction(fps)) for i in range(frames)]
    with av.open(str(path), "w", options=options or {}) as container:
        video = _add_video(container, picture, times, fps, codec, gop, b_frames)
        audio = None
        if sound is not None:
            layout = "mono" if len(sound) == 1 else "stereo"
            audio = container.add_stream(sound_codec, rate=rate, layout=layout)
        if video is not None:
            for index, time in enumerate(times):
                frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
                frame.pts = round((time + video_start) * 90000)
                frame.time_base = Fraction(1, 90000)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        if audio is not None:
            for begin in range(0, sound.shape[1], 1024):
                part = np.ascontiguousarray(sound[:, begin : begin + 1024])
                container.mux(audio.encode(_sound_frame(part, begin, rate, sound_start, audio)))
            container.mux(audio.encode(None))
    return path


def _add_video(container, picture, times, fps, codec, gop, b_frames):
    if not len(times):
        return None
    video = container.add_stream(codec, rate=Fraction(fps))
    height, width = picture(0).shape[:2]
    video.width, video.height = width, height
    video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    # Older formats cannot count time finely.
    fine = codec == "libx264"
    video.codec_context.time_base = Fraction(1, 90000) if fine else 1 / Fraction(fps)
    video.codec_context.gop_size = gop
    video.codec_context.thread_count = 1
    if codec == "libx264":
        video.options = {"crf": "20", "preset": "veryfast", "bf": str(b_frames)}
    return video


def _sound_frame(part, begin, rate, start, stream):
    if stream.codec_context.format.name == "s16":
        data = np.ascontiguousarray(np.round(part * 32767).astype(np.int16).T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(data, format="s16", layout=stream.layout.name)
    else:
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=stream.layout.name)
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    frame.pts = begin + round(start * rate)
    return frame


def cut_file(path: Path, share: float) -> Path:
    """Keep only the first ``share`` of a file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def damage_packet(path: Path, kind: str, second: float) -> Path:
    """Overwrite the first ``video`` or ``audio`` packet presented at ``second`` with noise."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        hit = next(
            p for p in container.demux(stream) if p.size and p.pts * p.time_base >= second - 1e-6
        )
        position, size = hit.pos, hit.size
    data = bytearray(path.read_bytes())
    data[position : position + size] = np.random.default_rng(0).bytes(size)
    path.write_bytes(bytes(data))
    return path


def remux(
    target: Path,
    parts: Sequence[tuple[Path, str]],
    *,
    shift: Callable[[str, float], float | tuple[float, float] | None] = lambda kind, second: 0.0,
    tags: Sequence[dict[str, str]] = (),
    created: str = "",
) -> Path:
    """Copy streams, of which the packets state decoding times, into a new file.

    Args:
        target: File; the suffix decides the container.
        parts: (File, ``video`` or ``audio``) for each stream of the target.
        shift: (Kind, presentation time in s) of a packet to what is added to its times (one for
            both, or presentation and decoding time), or None to leave it out.
        tags: Metadata of each stream.
        created: ``creation_time`` of the file.
    """
    with av.open(str(target), "w") as out:
        if created:
            out.metadata["creation_time"] = created
        for index, (path, kind) in enumerate(parts):
            with av.open(str(path)) as source:
                template = getattr(source.streams, kind)[0]
                stream = out.add_stream_from_template(template)
                stream.metadata.update(tags[index] if tags else {})
        for index, (path, kind) in enumerate(parts):
            with av.open(str(path)) as source:
                for packet in source.demux(getattr(source.streams, kind)[0]):
                    if not packet.size:
                        continue
                    by = shift(kind, float(packet.pts * packet.time_base))
                    if by is None:
                        continue
                    by = by if isinstance(by, tuple) else (by, by)
                    packet.pts += round(by[0] / packet.time_base)
                    packet.dts += round(by[1] / packet.time_base)
                    packet.stream = out.streams[index]
                    out.mux(packet)
    return target


def talk(voice: int, seconds: float, seed: int, rate: int = 16000) -> np.ndarray:
    """Sentences of one of the demo's voices with pauses, no two of them alike, (n,)."""
    from react24.corpora.demo.speech import list_voices, load_voice, resample

    rng = np.random.default_rng(seed)
    sentences = load_voice(list_voices()[voice])
    sound, at = np.zeros(round(seconds * rate), np.float32), rng.uniform(0, 1)
    while at < seconds:
        sentence = sentences[rng.integers(len(sentences))]
        sentence = resample(sentence, int(len(sentence) * rng.uniform(0.8, 1.25)))
        begin = int(at * rate)
        part = sentence[: len(sound) - begin]
        sound[begin : begin + len(part)] += part * rng.uniform(0.5, 1)
        at += len(sentence) / rate + rng.uniform(0.2, 1.5)
    return np.clip(sound, -1, 1)
