"""Which face is followed, with stand-ins for the models: faces are bright blobs at known places."""

import numpy as np

from react24.faces.follow import PATIENCE, Follower, search_windows
from react24.faces.mesh import POINTS, Detection, Mesh, box_of, region_around

PICTURE = np.zeros((400, 400, 3), np.uint8)


class Scene:
    """Detector and landmark model in one: ``faces`` are (x, y, width) of what is in view."""

    def __init__(self):
        self.faces = []
        self.looks = 0

    def find(self, rgb, where=None):
        if hasattr(where, "side"):
            return self._landmarks(where)
        self.looks += 1
        x0, y0, x1, y1 = where or (0, 0, rgb.shape[1], rgb.shape[0])
        return [
            self._detection(*face)
            for face in self.faces
            if x0 <= face[0] <= x1 and y0 <= face[1] <= y1
        ]

    def _landmarks(self, region):
        inside = [f for f in self.faces if np.hypot(f[0] - region.x, f[1] - region.y) < f[2] / 2]
        return _mesh(*inside[0]) if inside else None

    @staticmethod
    def _detection(x, y, width):
        box = np.array([x - width / 2, y - width / 2, x + width / 2, y + width / 2])
        return Detection(box, 0.9, region_around(box, box[:2], box[[2, 1]]))


def _mesh(x, y, width):
    points = np.full((POINTS, 3), [x, y, 0], np.float32)
    points[0, :2] -= width / 2
    points[1, :2] += width / 2
    return Mesh(points, 0.99)


def _centre(mesh):
    box = box_of(mesh.points)
    return tuple(float(v) for v in (box[:2] + box[2:]) / 2)


def _follow():
    scene = Scene()
    return scene, Follower(scene, scene)


def test_the_largest_face_is_taken_first_and_kept():
    scene, follower = _follow()
    scene.faces = [(100, 100, 40), (300, 100, 60)]
    assert _centre(follower.see(PICTURE)) == (300, 100)
    for step in range(1, 20):
        # The other face grows; the followed one moves. The track stays with it.
        scene.faces = [(100, 100, 40 + 5 * step), (300 - 4 * step, 100, 60)]
        assert _centre(follower.see(PICTURE)) == (300 - 4 * step, 100)
    assert scene.looks == 1  # the detector ran at the start only


def test_after_a_loss_the_face_that_continues_the_track_is_taken():
    scene, follower = _follow()
    scene.faces = [(100, 100, 60)]
    follower.see(PICTURE)
    scene.faces = []
    assert follower.see(PICTURE) is None
    scene.faces = [(300, 300, 90), (140, 110, 55)]
    assert _centre(follower.see(PICTURE)) == (140, 110)


def test_another_face_is_not_taken_until_patience_ends():
    scene, follower = _follow()
    scene.faces = [(100, 100, 60)]
    follower.see(PICTURE)
    scene.faces = [(300, 300, 90)]
    assert [follower.see(PICTURE) for _ in range(PATIENCE)] == [None] * PATIENCE
    assert _centre(follower.see(PICTURE)) == (300, 300)


def test_the_lost_face_returns_after_another_was_in_view():
    scene, follower = _follow()
    scene.faces = [(100, 100, 60)]
    follower.see(PICTURE)
    scene.faces = [(300, 300, 90)]
    for _ in range(PATIENCE - 1):
        follower.see(PICTURE)
    scene.faces = [(300, 300, 90), (100, 110, 60)]
    assert _centre(follower.see(PICTURE)) == (100, 110)


def test_search_windows_cover_the_picture_and_overlap_by_half():
    levels = list(search_windows(1920, 1080))
    assert [w[0][2] - w[0][0] for w in levels] == [1080, 540, 270]
    for windows in levels:
        side = windows[0][2] - windows[0][0]
        for axis, length in ((0, 1920), (1, 1080)):
            starts = sorted({w[axis] for w in windows})
            assert starts[0] == 0
            assert starts[-1] == length - side
            assert max(np.diff(starts), default=0) <= side / 2 + 1
    assert list(search_windows(256, 256)) == []
