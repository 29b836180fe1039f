"""The face models in mediapipe's wheel: where faces are, and the 478 points of one of them.

The models are those of MediaPipe's FaceMesh with refined landmarks. They are run one at a time
instead of through ``mediapipe.solutions.face_mesh``, because that way the caller decides which
face is followed, gets the model's face presence score, and one thread does all the work. Given the
same region, the points are the same as FaceMesh's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from react24.weights.tflite import quiet_stderr

POINTS = 478
"""468 points of the mesh and 2 x 5 of the irises."""

EYE_CORNERS = (33, 263)
"""Outer eye corners, right and left eye of the person."""

ROI_SCALE = 1.5
"""Side of the region given to the landmark model, in larger sides of the face's box."""

_LANDMARK_GRAPH = """
num_threads: 1
input_stream: "image"
input_stream: "region"
input_side_packet: "refine"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:region"
  input_side_packet: "WITH_ATTENTION:refine"
  output_stream: "LANDMARKS:landmarks"
}
"""
_PRESENCE_STREAM = "facelandmarkcpu__face_presence_score"

_DETECTION_GRAPH = """
num_threads: 1
input_stream: "image"
node {
  calculator: "FaceDetectionShortRangeCpu"
  input_stream: "IMAGE:image"
  output_stream: "DETECTIONS:detections"
}
"""


Window = tuple[int, int, int, int]
"""Part of a picture: x0, y0, x1, y1 in whole pixels."""


@dataclass(frozen=True)
class Region:
    """A square around a face: centre and side in pixels, rotation clockwise in radians."""

    x: float
    y: float
    side: float
    rotation: float


@dataclass(frozen=True)
class Detection:
    """A face that was found: box x0, y0, x1, y1 (4,) in pixels, score in [0, 1], where to look."""

    box: np.ndarray
    score: float
    region: Region


@dataclass(frozen=True)
class Mesh:
    """The landmarks of one face.

    Attributes:
        points: float32 (478, 3): x right and y down in pixels, z (into the scene) in the same
            scale, 0 at the head's centre.
        presence: The model's probability that the region holds a face.
    """

    points: np.ndarray
    presence: float


def region_around(box: np.ndarray, left: np.ndarray, right: np.ndarray) -> Region:
    """The region for a face with a box x0, y0, x1, y1 that makes its eyes level.

    ``left`` and ``right`` are the eyes (2,) on that side of the picture; all in pixels.
    """
    x0, y0, x1, y1 = (float(v) for v in box)
    rotation = math.atan2(float(right[1] - left[1]), float(right[0] - left[0]))
    return Region((x0 + x1) / 2, (y0 + y1) / 2, ROI_SCALE * max(x1 - x0, y1 - y0), rotation)


def region_of(points: np.ndarray) -> Region:
    """The region in which to look for a face in the next picture, from its points (478, 3)."""
    left, right = points[EYE_CORNERS[0]], points[EYE_CORNERS[1]]
    return region_around(box_of(points), left, right)


def box_of(points: np.ndarray) -> np.ndarray:
    """Bounding box of points (..., n, 3): float (..., 4) x0, y0, x1, y1."""
    low, high = points[..., :2].min(axis=-2), points[..., :2].max(axis=-2)
    return np.concatenate([low, high], axis=-1)


class _Graph:
    """A MediaPipe graph with one thread that is fed picture by picture."""

    def __init__(self, config: str, outputs: dict[str, str], side: dict[str, Any] | None = None):
        import mediapipe
        from mediapipe.python._framework_bindings import calculator_graph, resource_util

        resource_util.set_resource_dir(str(Path(mediapipe.__file__).parents[1]))
        self._time = 0
        self._out: dict[str, Any] = {}
        with quiet_stderr():
            self._graph = calculator_graph.CalculatorGraph(graph_config=config)
            for name, key in outputs.items():
                self._graph.observe_output_stream(name, self._keep(key))
            self._graph.start_run(side or {})
            self._graph.wait_until_idle()

    def _keep(self, key: str):
        def callback(_name: str, packet: Any) -> None:
            self._out[key] = packet

        return callback

    def run(self, rgb: np.ndarray, **packets: Any) -> dict[str, Any]:
        """Send one read-only picture and further packets through; returns the output packets."""
        from mediapipe import ImageFormat
        from mediapipe.python import packet_creator

        self._out.clear()
        self._time += 1
        # copy=False: the array outlives the call, which waits until the graph is done with it.
        image = packet_creator.create_image_frame(rgb, image_format=ImageFormat.SRGB, copy=False)
        for name, packet in {"image": image, **packets}.items():
            self._graph.add_packet_to_input_stream(name, packet.at(self._time))
        self._graph.wait_until_idle()
        return self._out

    def close(self) -> None:
        self._graph.close_all_packet_sources()
        self._graph.wait_until_done()


class LandmarkModel:
    """The 478-point landmark model. Use as a context manager. About 5 ms a face on one core."""

    def __init__(self) -> None:
        from mediapipe.python import packet_creator

        self._graph = _Graph(
            _LANDMARK_GRAPH,
            {"landmarks": "landmarks", _PRESENCE_STREAM: "presence"},
            {"refine": packet_creator.create_bool(True)},
        )

    def __enter__(self) -> LandmarkModel:
        return self

    def __exit__(self, *_: object) -> None:
        self._graph.close()

    def find(self, rgb: np.ndarray, region: Region) -> Mesh | None:
        """The landmarks in a region of a read-only picture (H, W, 3); None if it shows no face."""
        from mediapipe.framework.formats import landmark_pb2, rect_pb2
        from mediapipe.python import packet_creator, packet_getter

        height, width = rgb.shape[:2]
        rect = rect_pb2.NormalizedRect(
            x_center=region.x / width,
            y_center=region.y / height,
            width=region.side / width,
            height=region.side / height,
            rotation=region.rotation,
        )
        out = self._graph.run(rgb, region=packet_creator.create_proto(rect))
        if "landmarks" not in out:
            return None
        found = _message(out["landmarks"], landmark_pb2.NormalizedLandmarkList).landmark
        points = np.array([(p.x, p.y, p.z) for p in found], np.float32)
        points *= np.array([width, height, width], np.float32)
        return Mesh(points, packet_getter.get_float(out["presence"]))


class Detector:
    """MediaPipe's short-range face detector. Use as a context manager. About 3 ms on one core.

    It sees faces of about a tenth of the shown area's larger side or more; a window lets it look
    closer.
    """

    def __init__(self) -> None:
        self._graph = _Graph(_DETECTION_GRAPH, {"detections": "detections"})

    def __enter__(self) -> Detector:
        return self

    def __exit__(self, *_: object) -> None:
        self._graph.close()

    def find(self, rgb: np.ndarray, window: Window | None = None) -> list[Detection]:
        """All faces in a read-only picture (H, W, 3) or a window of it, best score first."""
        corner = (0, 0)
        if window is not None:
            x0, y0, x1, y1 = window
            rgb, corner = np.ascontiguousarray(rgb[y0:y1, x0:x1]), (x0, y0)
            rgb.flags.writeable = False
        out = self._graph.run(rgb)
        if "detections" not in out:
            return []
        return [_as_detection(d, rgb.shape, corner) for d in _detections(out["detections"])]


def _detections(packet: Any) -> list[Any]:
    from mediapipe.framework.formats import detection_pb2
    from mediapipe.python._framework_bindings import _packet_getter

    found = [
        detection_pb2.Detection.FromString(text)
        for text in _packet_getter._get_serialized_proto_list(packet)
    ]
    return sorted(found, key=lambda d: -d.score[0])


def _message(packet: Any, kind: Any) -> Any:
    from mediapipe.python._framework_bindings import _packet_getter

    return kind.FromString(_packet_getter._get_serialized_proto(packet))


def _as_detection(found: Any, shape: tuple[int, ...], corner: tuple[int, int]) -> Detection:
    height, width = shape[:2]
    origin = np.array(corner, float)
    size = np.array([width, height], float)
    part = found.location_data.relative_bounding_box
    low = origin + np.array([part.xmin, part.ymin]) * size
    box = np.concatenate([low, low + np.array([part.width, part.height]) * size])
    eyes = [
        origin + np.array([p.x, p.y]) * size for p in found.location_data.relative_keypoints[:2]
    ]
    return Detection(box, float(found.score[0]), region_around(box, *eyes))
