"""Square pictures of a face, cut out of a video along its track.

Every tick has a square: upright, centred on the box of the landmarks, ``SCALE`` times as wide as
the box's longer side. Centre and side are averaged over ``REACH`` ticks to both sides with
weights that fall off smoothly (a Hann window), so that the picture neither trembles with the
landmarks nor follows every nod: movements of the head stay visible as movements. The square is
then made to lie inside the picture: no wider than its shorter side, and moved inwards where it
would leave it. So a video that was cropped to a face before, as REACT's clips of 256 x 256 pixels
were, is taken as it is. Nothing is turned: a tilted head stays tilted.

The square of a tick depends on the track around it alone, so it is the same whether a session is
read as a whole or window by window.

Networks trained on REACT's clips are shown the central 224 of 256 pixels: ``part=VIEW``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from react24.files import contract
from react24.media.video import read_frames

SCALE = 1.6
"""Side of the square in longer sides of the landmarks' box: the head with its hair."""

CROP_SIZE = 256
"""Pixels of a whole square, as in REACT's clips."""

VIEW_SIZE = 224
"""Pixels of its central part, which networks are shown."""

VIEW = VIEW_SIZE / CROP_SIZE
"""Share of the side that the central part has."""

REACH = 25
"""Ticks (1 s) to both sides over which the square is averaged."""


@dataclass(frozen=True)
class Squares:
    """Upright squares in the pictures of a video, one per tick.

    Attributes:
        centre: float64 (n, 2), x right and y down in pixels; the corner of the picture is (0, 0),
            as in the face track.
        side: float64 (n,), pixels.
    """

    centre: np.ndarray
    side: np.ndarray


def read_squares(
    faces_path: str | Path,
    role: str,
    *,
    start: int = 0,
    stop: int | None = None,
) -> Squares:
    """The squares of the ticks ``start`` to ``stop`` - 1 of one role; ``stop`` None for all.

    Where no face was found the track is interpolated or held, and so are the squares.
    """
    with contract.open_file(faces_path, "faces") as file:
        group = file[role]
        box, width, height = group["box"], int(group.attrs["width"]), int(group.attrs["height"])
        frames = len(box)
        stop = frames if stop is None else min(stop, frames)
        low, high = max(0, start - REACH), min(frames, stop + REACH)
        boxes = box[low:high].astype(np.float64)
    if start >= stop:
        return Squares(np.empty((0, 2)), np.empty(0))
    # Before the first and after the last tick of a session the face stays where it was.
    wanted = np.arange(start - REACH, stop + REACH).clip(0, frames - 1) - low
    return keep_inside(smooth_squares(boxes[wanted]), width, height)


def smooth_squares(boxes: np.ndarray) -> Squares:
    """Squares around boxes (n + 2 * ``REACH``, 4) of x0, y0, x1, y1: the n in the middle."""
    low, high = boxes[:, :2], boxes[:, 2:]
    side = SCALE * (high - low).max(axis=1, keepdims=True)
    raw = np.concatenate([(low + high) / 2, side], axis=1)  # (n + 2 REACH, 3)
    kernel = np.hanning(2 * REACH + 3)[1:-1]
    kernel /= kernel.sum()
    smooth = np.stack([np.convolve(column, kernel, "valid") for column in raw.T], axis=1)
    return Squares(smooth[:, :2], smooth[:, 2])


def keep_inside(squares: Squares, width: int, height: int) -> Squares:
    """Squares no wider than a picture allows, moved by as little as possible to lie inside it."""
    side = np.minimum(squares.side, min(width, height))
    half = side[:, None] / 2
    return Squares(squares.centre.clip(half, (width, height) - half), side)


def crop_square(picture: np.ndarray, x: float, y: float, side: float, size: int) -> np.ndarray:
    """Resample a square of a picture, uint8 (H, W, 3), to uint8 (size, size, 3).

    Pixel (row i, column j) of the result is the picture around the point
    (x - side/2 + (j + 1/2) side/size, y - side/2 + (i + 1/2) side/size), the picture's corner
    being (0, 0) and (x, y) the square's centre. With p = side/size pixels of the picture per pixel
    of the result, p rounded to a whole number k (at least 1): the square is sampled bilinearly at
    k size x k size points, and k x k of them are averaged. So a large face is averaged over all
    its pixels when it shrinks, and the square may lie anywhere between the pixels. Outside of the
    picture there is black.
    """
    import cv2

    k = max(1, round(side / size))
    step = side / (size * k)
    # OpenCV counts from the centre of the first pixel: there, the picture's corner is (-1/2, -1/2).
    first = (step - side) / 2 - 0.5
    matrix = np.array([[step, 0.0, x + first], [0.0, step, y + first]])
    dense = cv2.warpAffine(
        picture,
        matrix,
        (size * k, size * k),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return dense if k == 1 else cv2.resize(dense, (size, size), interpolation=cv2.INTER_AREA)


def face_crops(
    media_path: str | Path,
    faces_path: str | Path,
    role: str,
    *,
    start: int = 0,
    stop: int | None = None,
    size: int = CROP_SIZE,
    part: float = 1.0,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the face of every tick, decoding the video once, in order, in constant memory.

    Args:
        media_path: Media file of the session.
        faces_path: Its faces file.
        role: ``a`` or ``b``.
        start: First tick; decoding starts at the key picture before it.
        stop: One past the last tick; None for all.
        size: Pixels of a crop.
        part: Share of the square's side that is shown, around its centre; ``VIEW`` with ``size``
            ``VIEW_SIZE`` gives the central pixels of the default.

    Yields:
        (tick, crop): the crop is uint8 (size, size, 3), RGB; see ``read_squares`` and
        ``crop_square`` for which pixels it shows. Errors are those of ``read_frames``.
    """
    squares = read_squares(faces_path, role, start=start, stop=stop)
    pictures = read_frames(media_path, role, start=start, stop=start + len(squares.side))
    for (tick, picture), (x, y), side in zip(pictures, squares.centre, squares.side, strict=True):
        yield tick, crop_square(picture, float(x), float(y), part * float(side), size)


def face_views(
    media_path: str | Path, faces_path: str | Path, role: str, *, size: int = VIEW_SIZE
) -> Iterator[np.ndarray]:
    """What networks trained on REACT's clips are shown: the central part of ``face_crops``."""
    crops = face_crops(media_path, faces_path, role, size=size, part=VIEW)
    return (crop for _, crop in crops)
