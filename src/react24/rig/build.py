"""Make the rig file from the face-mesh network and a public-domain portrait.

Run ``python -m react24.rig.build`` to write ``rig_v1.npz`` again. It needs mediapipe (the network
and its mesh connections), scikit-image (the portrait ``astronaut``, NASA, public domain) and SciPy.
"""

from __future__ import annotations

import logging
from collections import Counter
from itertools import combinations

import numpy as np

from react24.rig import landmarks as lm
from react24.rig.model import RIG_PATH, Rig
from react24.rig.shapes import NAMES, UNOBSERVABLE, Surface, build_fields

logger = logging.getLogger(__name__)

VERSION = "rig_v1"
MOUTH_WIDTH = 0.60
"""Width of the closed neutral mouth in rig units (about 5.4 cm)."""
LIP_GAP = 0.004
"""Distance that stays between the closed lips, so that no triangle collapses."""


def build_rig() -> Rig:
    """Build the whole rig.

    1. Landmarks of the portrait, averaged with those of its mirror image; matching the two gives
       the mirror map.
    2. Turned until the face is as symmetric as it can be, made exactly symmetric, pitched until
       hair line and chin are equally deep, scaled to rig units.
    3. The portrait smiles: part of the smile is taken back, then the lips are closed.
    4. The displacement fields are drawn on that neutral face.
    """
    edges = _mesh_edges()
    portrait, mirror = _portrait_landmarks()
    frontal = _frontalise(portrait, mirror)
    neutral = _close_lips(_relax_mouth(frontal, mirror, edges), mirror, edges)
    surface = _surface(neutral, mirror, edges)
    triangles = _triangles(edges, neutral)
    rigid = np.array(surface.sides(lm.RIGID), np.int32)
    eyes, mouth = _hole_triangles(mirror, neutral)
    return Rig(
        names=NAMES,
        displacements=build_fields(surface).astype(np.float32),
        neutral=neutral.astype(np.float32),
        triangles=triangles,
        eye_triangles=eyes,
        mouth_triangles=mouth,
        observable=np.array([name not in UNOBSERVABLE for name in NAMES]),
        rigid=rigid,
        mirror=mirror.astype(np.int32),
        version=VERSION,
    )


def save_rig(rig: Rig) -> None:
    """Write the rig that the package ships, as a compressed npz without pickles."""
    arrays = {name: getattr(rig, name) for name in Rig.__dataclass_fields__}
    arrays["names"] = np.array(rig.names)
    arrays["version"] = np.array(rig.version)
    np.savez_compressed(RIG_PATH, **arrays)


def _mesh_edges() -> list[tuple[int, int]]:
    from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION

    return sorted({tuple(sorted(edge)) for edge in FACEMESH_TESSELATION})


def _portrait_landmarks() -> tuple[np.ndarray, np.ndarray]:
    """Landmarks of the portrait in pixels, float64 (478, 3), and the mirror map (478,)."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist
    from skimage.data import astronaut

    picture = astronaut()
    straight = find_landmarks(picture)
    flipped = find_landmarks(np.ascontiguousarray(picture[:, ::-1]))
    flipped[:, 0] = picture.shape[1] - flipped[:, 0]
    # A point and its partner's image in the mirrored picture are at most a few pixels apart.
    _, mirror = linear_sum_assignment(cdist(straight, flipped))
    if not np.array_equal(mirror[mirror], np.arange(lm.POINTS)):
        raise RuntimeError("the mirror map of the landmarks is not its own inverse")
    return 0.5 * (straight + flipped[mirror]), mirror


def find_landmarks(picture: np.ndarray) -> np.ndarray:
    """Landmarks (478, 3) of the face in a portrait, in its pixels, by mediapipe.

    Raises:
        RuntimeError: No face was found.
    """
    from mediapipe.python.solutions.face_mesh import FaceMesh

    with FaceMesh(static_image_mode=True, max_num_faces=1, refine_landmarks=True) as network:
        found = network.process(picture).multi_face_landmarks
    if not found:
        raise RuntimeError("the face-mesh network finds no face in the portrait")
    height, width = picture.shape[:2]
    return np.array([(p.x * width, p.y * height, p.z * width) for p in found[0].landmark])


def _frontalise(points: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Symmetric, facing the camera, in rig units."""
    from scipy.spatial.transform import Rotation

    flip = np.array([-1.0, 1.0, 1.0])
    points = points - points.mean(0)
    turn = Rotation.from_matrix(turn_between(points, points[mirror] * flip))
    points = points @ Rotation.from_rotvec(0.5 * turn.as_rotvec()).as_matrix().T
    points = 0.5 * (points + points[mirror] * flip)
    down = points[152] - points[10]
    angle = np.arctan2(down[2], down[1])
    c, s = np.cos(angle), np.sin(angle)
    points = points @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]]).T
    middle = 0.5 * (points[33] + points[263])
    return (points - middle) / np.linalg.norm(points[263] - points[33])


def turn_between(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) that best turns ``source`` (n, 3) onto ``target``, wherever both lie."""
    u, _, vt = np.linalg.svd((target - target.mean(0)).T @ (source - source.mean(0)))
    return u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt


def _surface(points: np.ndarray, mirror: np.ndarray, edges: list[tuple[int, int]]) -> Surface:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    # The mesh joins a few points of the two sides differently; with both ways the distances, and
    # so the fields, are symmetric.
    pairs = {tuple(sorted((int(mirror[i]), int(mirror[j])))) for i, j in edges} | set(edges)
    i, j = np.array(sorted(pairs)).T
    length = np.linalg.norm(points[i] - points[j], axis=1)
    graph = coo_matrix((length, (i, j)), shape=(lm.MESH_POINTS, lm.MESH_POINTS))
    return Surface(points, mirror, dijkstra(graph.tocsr(), directed=False))


def _relax_mouth(points: np.ndarray, mirror: np.ndarray, edges) -> np.ndarray:
    """Take back so much of the smile that the mouth is ``MOUTH_WIDTH`` wide."""
    fields = build_fields(_surface(points, mirror, edges))
    smile = fields[NAMES.index("mouthSmileLeft")] + fields[NAMES.index("mouthSmileRight")]
    width = points[291, 0] - points[61, 0]
    amount = (width - MOUTH_WIDTH) / (smile[291, 0] - smile[61, 0])
    return points - amount * smile


def _close_lips(points: np.ndarray, mirror: np.ndarray, edges) -> np.ndarray:
    """Bring the inner edges of the lips together; two thirds of the way by the lower lip."""
    surface = _surface(points, mirror, edges)
    upper, lower = list(lm.UPPER_LIP[-1][1:]), list(lm.LOWER_LIP[-1][1:])
    gap = points[lower, 1] - points[upper, 1] - LIP_GAP
    depth = points[lower, 2] - points[upper, 2]
    moves = {}
    for row_upper, row_lower in zip(lm.UPPER_LIP, lm.LOWER_LIP, strict=True):
        for k, (u, q) in enumerate(zip(row_upper[1:], row_lower[1:], strict=True)):
            moves[u] = np.array([0.0, gap[k] / 3, depth[k] / 3])
            moves[q] = np.array([0.0, -2 * gap[k] / 3, -2 * depth[k] / 3])
    fixed = surface.sides((*lm.MOUTH_CORNER, *lm.NOSE_MIDLINE))
    return points + surface.spread(surface.both(moves), 0.4, fixed=fixed)


def _triangles(edges: list[tuple[int, int]], points: np.ndarray) -> np.ndarray:
    """Faces of the mesh from its edges: int32 (852, 3), all facing the camera alike.

    Three points that are joined pairwise are a face, unless every edge between them already has
    two other faces (a triangle that surrounds three small ones).
    """
    joined: dict[int, set[int]] = {}
    for i, j in edges:
        joined.setdefault(i, set()).add(j)
        joined.setdefault(j, set()).add(i)
    cliques = sorted({tuple(sorted((i, j, k))) for i, j in edges for k in joined[i] & joined[j]})
    uses = Counter(pair for clique in cliques for pair in combinations(clique, 2))
    faces = [c for c in cliques if any(uses[pair] < 3 for pair in combinations(c, 2))]
    return _orient(np.array(faces, np.int32), points)


def _orient(faces: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Wind neighbouring faces alike, the first one clockwise in a picture with y down."""
    owners: dict[tuple[int, int], list[int]] = {}
    for index, face in enumerate(faces):
        for pair in combinations(sorted(face), 2):
            owners.setdefault(pair, []).append(index)
    faces = faces.copy()
    done = np.zeros(len(faces), bool)
    # The most frontal first.
    for start in np.argsort([-abs(_area(points[face])) for face in faces], kind="stable"):
        if done[start]:
            continue
        if _area(points[faces[start]]) < 0:
            faces[start] = faces[start][::-1]
        done[start] = True
        stack = [start]
        while stack:
            face = faces[stack.pop()]
            for a, b in zip(face, np.roll(face, -1), strict=True):
                for other in owners[tuple(sorted((int(a), int(b))))]:
                    if done[other]:
                        continue
                    c, d, e = faces[other]
                    if (a, b) in ((c, d), (d, e), (e, c)):
                        faces[other] = faces[other][::-1]
                    done[other] = True
                    stack.append(other)
    return faces


def _area(corners: np.ndarray) -> float:
    (ax, ay), (bx, by) = corners[1, :2] - corners[0, :2], corners[2, :2] - corners[0, :2]
    return 0.5 * (ax * by - ay * bx)


def _hole_triangles(mirror: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What closes the eyes, int32 (28, 3), and the mouth, int32 (18, 3)."""
    outer, inner = lm.EYE_CORNERS
    right = _strip([outer, *lm.UPPER_LID, inner], [outer, *lm.LOWER_LID, inner])
    eyes = np.concatenate([right, mirror[right][:, ::-1]])
    upper, lower = list(lm.UPPER_LIP[-1]), list(lm.LOWER_LIP[-1])
    upper += [int(mirror[p]) for p in upper[-2::-1]]
    lower += [int(mirror[p]) for p in lower[-2::-1]]
    return eyes.astype(np.int32), _strip(upper, lower).astype(np.int32)


def _strip(upper: list[int], lower: list[int]) -> np.ndarray:
    """Triangles between two rows that share their first and last points."""
    faces = []
    for k in range(len(upper) - 1):
        faces.append((upper[k], upper[k + 1], lower[k + 1]))
        faces.append((upper[k], lower[k + 1], lower[k]))
    return np.array([face for face in faces if len(set(face)) == 3])


def main() -> None:
    """Write the rig file that the package ships."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    save_rig(build_rig())
    logger.info("wrote %s", RIG_PATH.name)


if __name__ == "__main__":
    main()
