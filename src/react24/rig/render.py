"""Draw a textured face mesh: vertices of the rig and a picture in, an RGB frame out.

The picture is laid over the triangles (2.5-D: a mesh seen in perspective, hidden surfaces removed
by depth, no lighting). A small compiled rasteriser finds for every pixel the texture point that
shows there; OpenCV then fetches the colours.

Camera: at the origin, looking along +z, x right, y down; focal length = image width unless given,
principal point in the middle of the image.
"""

from __future__ import annotations

import numba
import numpy as np

from react24.rig.pose import euler_to_matrix


def project(
    vertices: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    width: int,
    height: int,
    focal: float | None = None,
) -> np.ndarray:
    """Where the vertices of a head show in the image.

    Args:
        vertices: (V, 3) in the head frame, rig units.
        rotation: (3,) radians, about x, y and z, see ``react24.rig.pose.euler_to_matrix``.
        translation: (3,) of the head frame's origin from the camera, rig units; z > 0.
        width: Image width in pixels.
        height: Image height in pixels.
        focal: Focal length in pixels; None for ``width``.

    Returns:
        float32 (V, 3): x and y in pixels (0, 0 is the centre of the first pixel), and the
        distance z from the camera plane in rig units.

    Raises:
        ValueError: A vertex lies behind the camera.
    """
    seen = vertices @ euler_to_matrix(rotation).T + translation
    depth = seen[:, 2]
    if not (depth > 0).all():
        raise ValueError(
            f"a vertex lies behind the camera (z = {depth.min():.3f} rig units); translation "
            f"{np.asarray(translation).round(3).tolist()} must keep the whole head in front of it"
        )
    scale = (width if focal is None else focal) / depth
    points = np.empty((len(vertices), 3), np.float32)
    points[:, 0] = seen[:, 0] * scale + (width - 1) / 2.0
    points[:, 1] = seen[:, 1] * scale + (height - 1) / 2.0
    points[:, 2] = depth
    return points


def render(
    points: np.ndarray,
    triangles: np.ndarray,
    uv: np.ndarray,
    texture: np.ndarray,
    background: np.ndarray,
) -> np.ndarray:
    """Draw a textured mesh over a background.

    Args:
        points: float32 (V, 3) as ``project`` gives them: pixels and depth.
        triangles: int32 (F, 3); both sides are drawn.
        uv: float32 (V, 2) place of each vertex in the texture, in texture pixels.
        texture: uint8 (h, w, 3).
        background: uint8 (H, W, 3); its size is the frame's.

    Returns:
        uint8 (H, W, 3), a new array.

    Raises:
        ValueError: Shapes that do not fit each other.
    """
    import cv2

    if points.shape != (len(uv), 3) or uv.shape[1] != 2 or triangles.max() >= len(uv):
        raise ValueError(
            f"points {points.shape}, uv {uv.shape} and triangles up to {triangles.max()} do not "
            "fit: expected (V, 3), (V, 2) and indices under V"
        )
    height, width = background.shape[:2]
    where = np.full((2, height, width), -1.0, np.float32)
    depth = np.full((height, width), np.inf, np.float32)
    _rasterise(
        np.ascontiguousarray(points, np.float32),
        np.ascontiguousarray(triangles, np.int32),
        np.ascontiguousarray(uv, np.float32),
        where,
        depth,
    )
    frame = cv2.remap(
        texture, where[0], where[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if np.isinf(depth).any():
        bare = np.isinf(depth)
        frame[bare] = background[bare]
    return frame


@numba.njit(cache=True)
def _rasterise(points, triangles, uv, where, depth):  # pragma: no cover - compiled
    """Fill ``where`` (2, H, W) with texture coordinates of the nearest triangle, and ``depth``.

    Barycentric coordinates are linear in the image plane; triangles are so small against their
    distance that the perspective correction would be far under a texture pixel.
    """
    height, width = depth.shape
    for f in range(triangles.shape[0]):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        x0, y0 = points[i, 0], points[i, 1]
        x1, y1 = points[j, 0], points[j, 1]
        x2, y2 = points[k, 0], points[k, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-6:
            continue
        left = max(int(np.ceil(min(x0, x1, x2))), 0)
        right = min(int(np.floor(max(x0, x1, x2))), width - 1)
        top = max(int(np.ceil(min(y0, y1, y2))), 0)
        bottom = min(int(np.floor(max(y0, y1, y2))), height - 1)
        z0, z1, z2 = points[i, 2], points[j, 2] - points[i, 2], points[k, 2] - points[i, 2]
        u0, u1, u2 = uv[i, 0], uv[j, 0] - uv[i, 0], uv[k, 0] - uv[i, 0]
        v0, v1, v2 = uv[i, 1], uv[j, 1] - uv[i, 1], uv[k, 1] - uv[i, 1]
        b_step, c_step = (y2 - y0) / area, (y0 - y1) / area
        for y in range(top, bottom + 1):
            b = ((left - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area
            c = ((x1 - x0) * (y - y0) - (left - x0) * (y1 - y0)) / area
            for x in range(left, right + 1):
                # A hair of slack, so that no pixel falls between two neighbours.
                if b >= -1e-5 and c >= -1e-5 and b + c <= 1.00001:
                    z = z0 + b * z1 + c * z2
                    if z < depth[y, x]:
                        depth[y, x] = z
                        where[0, y, x] = u0 + b * u1 + c * u2
                        where[1, y, x] = v0 + b * v1 + c * v2
                b += b_step
                c += c_step
