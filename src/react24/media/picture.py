"""The picture as a player shows it: the one place where a decoded frame becomes RGB.

What a file stores is not what is seen. In this order a player

1. hides the margins that the container names (Matroska ``PixelCrop*``, MP4 ``clap``; what the
   codec itself crops is gone after decoding);
2. makes the pixels square: the side that is too short grows, so that nothing stored is lost
   (FFmpeg's player always keeps the height: another size, the same shape);
3. turns and mirrors by the display matrix;
4. converts to RGB by the file's matrix and range (where it names no matrix: BT.709 for high
   definition, BT.601 below).

A picture whose size differs from the recording's is fitted into it (black bars where the shape
differs), and last the part that the sample sheet asks for is taken.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from fractions import Fraction

import av
import av.logging
import numpy as np
from av.filter import Graph
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from react24.errors import InputError

Size = tuple[int, int]
"""Width and height, pixels."""

_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED
_DESCRIBING = threading.Lock()


@dataclass(frozen=True)
class Framing:
    """What a file says about all its stored pictures.

    Attributes:
        aspect: Width of a stored pixel divided by its height.
        margins: Stored pixels that are not shown: left, right, top, bottom.
    """

    aspect: Fraction = Fraction(1)
    margins: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to lay a picture.

    Attributes:
        transposed: Rows become columns, first.
        mirrored: Then left and right are exchanged.
        flipped: Likewise top and bottom.
        error: Degrees between the turn that the file asks for and this one.
    """

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False
    error: float = 0.0


def read_framing(stream: av.VideoStream) -> Framing:
    """Pixel shape and hidden margins of an open stream.

    The container's word on the pixels' shape goes before the codec's, as in FFmpeg's player.
    """
    shapes = (stream.sample_aspect_ratio, stream.codec_context.sample_aspect_ratio)
    return Framing(next((shape for shape in shapes if shape), Fraction(1)), _read_margins(stream))


def _read_margins(stream: av.VideoStream) -> tuple[int, int, int, int]:
    """Left, right, top and bottom margin that the container hides.

    PyAV gives no access to them, but FFmpeg's description of the file names them. It is written
    at log level INFO only, which PyAV keeps per process.
    """
    with _DESCRIBING:
        level = av.logging.get_level()
        av.logging.set_level(av.logging.INFO)
        try:
            text = stream.container.dumps_format()
        finally:
            av.logging.set_level(level)
    part = re.split(rf"^  Stream #0:{stream.index}\b", text, maxsplit=1, flags=re.MULTILINE)[-1]
    part = re.split(r"^  Stream #", part, maxsplit=1, flags=re.MULTILINE)[0]
    found = re.search(r"Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)", part)
    return tuple(int(number) for number in found.groups()) if found else (0, 0, 0, 0)


def read_orientation(frame: av.VideoFrame) -> Orientation:
    """How a frame is laid: the nearest of the eight ways to what its display matrix says.

    The matrix maps a stored point (x, y), y down, to (a x + c y, b x + d y) (ISO/IEC 14496-12,
    6.2.2); FFmpeg hands it on from container or codec with every frame.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Orientation()
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].astype(float)
    if a * d == b * c:  # would flatten the picture; players take no notice of it
        return Orientation()
    transposed = bool(abs(a) + abs(d) < abs(b) + abs(c))
    right, down = (c, b) if transposed else (a, d)
    slants = (d / c, a / b) if transposed else (b / a, c / d)
    error = max(abs(float(np.degrees(np.arctan(slant)))) for slant in slants)
    return Orientation(transposed, bool(right < 0), bool(down < 0), error)


def shown_size(frame: av.VideoFrame, framing: Framing) -> Size:
    """Width and height of a frame as a player shows it."""
    width, height = _square(_visible(frame, framing)[:2], framing.aspect)
    return (height, width) if read_orientation(frame).transposed else (width, height)


def _visible(frame: av.VideoFrame, framing: Framing) -> tuple[int, int, int, int]:
    """Width, height, left and top of what is not hidden of a stored picture."""
    left, right, top, bottom = framing.margins
    width, height = frame.width - left - right, frame.height - top - bottom
    if width <= 0 or height <= 0:  # margins made for another picture size
        return frame.width, frame.height, 0, 0
    return width, height, left, top


def _square(size: Size, aspect: Fraction) -> Size:
    """The size with square pixels."""
    width, height = size
    if aspect >= 1:
        return max(1, round(width * aspect)), height
    return width, max(1, round(height / aspect))


def _fit(inner: Size, outer: Size) -> Size:
    """The largest size of the shape of ``inner`` within ``outer``."""
    scale = min(Fraction(outer[0], inner[0]), Fraction(outer[1], inner[1]))
    return tuple(
        min(limit, max(1, round(side * scale))) for side, limit in zip(inner, outer, strict=True)
    )


class Screen:
    """Shows the frames of one recording, all in one size."""

    def __init__(self, framing: Framing, size: Size, crop: tuple[int, int, int, int] | None = None):
        """Set up the screen.

        Args:
            framing: Of the stream.
            size: Of the whole picture as shown; frames of another size are fitted into it.
            crop: x, y, width, height within it of the part to take; None for all.

        Raises:
            InputError: The part does not lie within the picture.
        """
        self.framing, self.size = framing, size
        x, y, width, height = crop or (0, 0, *size)
        if width < 1 or height < 1 or x < 0 or y < 0 or x + width > size[0] or y + height > size[1]:
            raise InputError(
                f"crop {x},{y},{width},{height} (x, y, width, height) does not lie within the "
                f"picture, which is {size[0]}x{size[1]} as a player shows it"
            )
        self._part = slice(y, y + height), slice(x, x + width)
        self._colours = VideoReformatter()
        self._graphs: dict[tuple, Graph] = {}

    def show(self, frame: av.VideoFrame) -> np.ndarray:
        """A frame as RGB, uint8 (H, W, 3), contiguous, read-only."""
        laid = self._lay(frame)
        rgb = self._colours.reformat(laid, format="rgb24", src_colorspace=_matrix(frame))
        # PyAV's rows are padded to a multiple of 16 pixels.
        picture = np.ascontiguousarray(rgb.to_ndarray()[self._part])
        picture.flags.writeable = False
        return picture

    def shrink(self, frame: av.VideoFrame, side: int) -> np.ndarray:
        """The whole picture in grey, averaged to uint8 (side, side)."""
        small = self._colours.reformat(
            self._lay(frame), side, side, "gray", interpolation=Interpolation.AREA
        )
        return np.ascontiguousarray(small.to_ndarray())

    def _lay(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame with square pixels, the right way round, in the screen's size."""
        steps = tuple(self._steps(frame))
        if not steps:
            return frame
        key = (frame.format.name, frame.width, frame.height, steps)
        if key not in self._graphs:
            self._graphs[key] = _build_graph(frame, steps)
        graph = self._graphs[key]
        graph.push(frame)
        laid = graph.pull()
        # The graph knows neither; nothing in it changes them.
        laid.colorspace, laid.color_range = frame.colorspace, frame.color_range
        return laid

    def _steps(self, frame: av.VideoFrame):
        """FFmpeg's filters, with their arguments, that lay the frame."""
        orientation = read_orientation(frame)
        width, height, left, top = _visible(frame, self.framing)
        if (width, height) != (frame.width, frame.height):
            yield "crop", f"{width}:{height}:{left}:{top}:exact=1"
        square = _square((width, height), self.framing.aspect)
        swap = slice(None, None, -1 if orientation.transposed else 1)
        fitted = _fit(square[swap], self.size)
        if fitted[swap] != (width, height):
            yield "scale", "{}:{}:flags=bicubic".format(*fitted[swap])
        if orientation.transposed:
            yield "transpose", "cclock_flip"  # FFmpeg's name of the plain transposition
        if orientation.mirrored:
            yield "hflip", ""
        if orientation.flipped:
            yield "vflip", ""
        if fitted != self.size:
            x, y = ((side - inner) // 2 for side, inner in zip(self.size, fitted, strict=True))
            yield "pad", f"{self.size[0]}:{self.size[1]}:{x}:{y}"


def _build_graph(frame: av.VideoFrame, steps) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format.name,
        time_base=Fraction(1, 90_000),
    )
    chain = [source, *(graph.add(name, args) for name, args in steps), graph.add("buffersink")]
    graph.link_nodes(*chain)
    graph.configure()
    return graph


def _matrix(frame: av.VideoFrame) -> Colorspace | None:
    """The matrix to convert with; None for the one that the frame names."""
    high_definition = frame.width >= 1280 or frame.height > 576
    if frame.colorspace == _UNSPECIFIED and high_definition and not frame.format.is_rgb:
        return Colorspace.ITU709
    return None
