"""How well the face streams fit real people, against an expression network that saw the pictures.

    python benchmarks/real_faces.py FOLDER [--backend landmarks blendshapes] [--bundle PATH]
        [--scores SCORES.npy]

FOLDER holds clips of real faces, one ``.npz`` each: ``landmarks_x16`` (T, 478, 3), pixels times 16;
``found`` (T,); ``width``, ``height``; ``face_api_frame`` (n,) and ``face_api`` (n, 7),
probabilities of face-api's expression network on some pictures (neutral, happy, sad, angry,
fearful, disgusted, surprised); where there, ``pose_frame`` (m,) and ``pose_degrees`` (m, 3), the
pose by MediaPipe's face geometry.

Agreement counts frames of which the network is sure (more than 0.8). ``--scores`` gives judgements
to use instead of the student's, all found frames of all clips in a row: with those that
``react24.rig.student_build --folds --scores`` writes (clips of up to 500 frames), no clip is
measured with a student that knew its person.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from react24.conventions import ACTION_UNITS, EXPRESSIONS
from react24.streams.blendshapes import BlendshapesGraphAU
from react24.streams.graphau.landmarks import LandmarksGraphAU
from react24.streams.judges import load_network
from react24.streams.landmarks import combine

FACE_API = ("Neutral", "Happy", "Sad", "Anger", "Fear", "Disgust", "Surprise")
SURE, VERY_SURE = 0.8, 0.9
SMILE, VALENCE, FIRST_EXPRESSION = ACTION_UNITS.index(12), len(ACTION_UNITS), len(ACTION_UNITS) + 2
QUIET_UNITS = (4, 15, 17, 24)


@dataclass(frozen=True)
class Clip:
    """One clip; a track for the extractors."""

    name: str
    landmarks: np.ndarray
    valid: np.ndarray
    width: int
    height: int
    arrays: dict[str, np.ndarray]


class Given:
    """A judge that repeats what was said of a clip's frames, in order."""

    def __init__(self, scores: np.ndarray):
        self.name, self._left = "given", scores

    def scores(self, landmarks: np.ndarray, width: int, height: int) -> np.ndarray:
        """The next of them, (T, 52)."""
        now, self._left = self._left[: len(landmarks)], self._left[len(landmarks) :]
        return now


def read_clip(path: Path) -> Clip:
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    landmarks = arrays.pop("landmarks_x16").astype(np.float32) / 16
    size = int(arrays["width"]), int(arrays["height"])
    return Clip(path.stem, landmarks, arrays["found"], *size, arrays)


def measure(clips: list[Clip], extractors: list[LandmarksGraphAU]) -> dict[str, float]:
    """The figures over all clips, each with its extractor."""
    truth, said, valence, pleasant, smile, calm_smile = [], [], [], [], [], []
    people, pitch = [], []
    for clip, extractor in zip(clips, extractors, strict=True):
        solution = extractor.solve(clip)
        stream = extractor.columns(solution, combine(solution, extractor.judge_share))
        values, seen = stream[clip.arrays["face_api_frame"]], clip.arrays["face_api"]
        sure = seen.max(1) > SURE
        truth += [FACE_API[k] for k in seen[sure].argmax(1)]
        said += [EXPRESSIONS[k] for k in values[sure][:, FIRST_EXPRESSION:].argmax(1)]
        valence += list(values[:, VALENCE])
        pleasant += list(seen[:, 1] - seen[:, 2:6].sum(1))
        smile += list(values[seen[:, 1] > VERY_SURE][:, SMILE])
        calm = values[seen[:, 0] > VERY_SURE]
        calm_smile += list(calm[:, SMILE])
        if len(calm) >= 5:
            people.append(calm.mean(0))
        if "pose_frame" in clip.arrays:
            ours = np.degrees(solution.rotation[clip.arrays["pose_frame"], 0])
            pitch.append(float((ours - clip.arrays["pose_degrees"][:, 0]).mean()))
    truth, said, people = np.array(truth), np.array(said), np.array(people)
    smile, calm_smile = np.array(smile)[:, None], np.array(calm_smile)[None]
    figures = {"sure frames": len(truth), "agreement": (truth == said).mean()}
    figures |= {
        f"recall {n}": (said[truth == n] == n).mean() for n in ("Neutral", "Happy", "Surprise")
    }
    figures["AUC of AU12"] = (smile > calm_smile).mean() + 0.5 * (smile == calm_smile).mean()
    figures["r of valence"] = np.corrcoef(valence, pleasant)[0, 1]
    names = {VALENCE: "valence"} | {ACTION_UNITS.index(au): f"AU{au}" for au in QUIET_UNITS}
    for column, name in names.items():
        figures[f"{name} at neutral, mean over people"] = people[:, column].mean()
        figures[f"{name} at neutral, spread over people"] = people[:, column].std()
    if pitch:
        figures["pitch offset, spread over clips (degrees)"] = np.std(pitch)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of clips (.npz)")
    parser.add_argument("--backend", nargs="*", default=["landmarks"])
    parser.add_argument("--bundle", default="face-landmarker", help="for backend blendshapes")
    parser.add_argument("--scores", type=Path, help="judgements for backend landmarks (.npy)")
    parser.add_argument("--skip", nargs="*", default=[], help="clips to leave out, by name")
    options = parser.parse_args()
    clips = [read_clip(path) for path in sorted(options.folder.glob("*.npz"))]
    if not clips:
        parser.error(f"{options.folder}: no clip (.npz)")
    for backend in options.backend:
        if backend == "blendshapes":
            network = load_network(options.bundle)
            extractors = [BlendshapesGraphAU(judge=network) for _ in clips]
        elif options.scores:
            counts = [int(clip.valid.sum()) for clip in clips]
            parts = np.split(np.load(options.scores), np.cumsum(counts)[:-1])
            extractors = [LandmarksGraphAU(judge=Given(part)) for part in parts]
        else:
            extractors = [LandmarksGraphAU() for _ in clips]
        kept = [k for k, clip in enumerate(clips) if clip.name not in options.skip]
        figures = measure([clips[k] for k in kept], [extractors[k] for k in kept])
        print(f"backend {backend}, {len(kept)} clips")
        for name, value in figures.items():
            print(f"  {name:44s} {value:.3f}" if name != "sure frames" else f"  {name:44s} {value}")


if __name__ == "__main__":
    main()
