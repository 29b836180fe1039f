"""Teach the student: make ``student_v1.npz`` again from face tracks and MediaPipe's bundle.

    python -m react24.rig.student_build TRACKS face_landmarker.task [--folds 4]

TRACKS is a folder of face tracks, one or two people a file: faces files of the pipeline (``.h5``),
or ``.npz`` with ``landmarks`` (T, 478, 3) in pixels (or ``landmarks_x16``, pixels times 16) and
``found`` (T,). The teacher is the blendshape network in the bundle (Apache-2.0, as is what learns
from it). It labels the recorded faces and many more drawn ones (`faces_drawn`), all seen from the
front; the student is fitted to both. With ``--folds`` it is first fitted without a part of
the people, for each part, and told how far off it is for those: what to expect for anybody else.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from react24.conventions import ROLES
from react24.errors import InputError
from react24.log import progress
from react24.rig.faces_drawn import People, draw_faces
from react24.rig.judge import Judge
from react24.rig.landmarks import BLENDSHAPE_POINTS
from react24.rig.model import load_rig
from react24.rig.neutral import choose_rest
from react24.rig.student import STUDENT_PATH, Perceptron, frontal_view

logger = logging.getLogger(__name__)

PIXELS = 200.0
"""Size at which faces of the head frame are shown to the teacher; it scales them itself."""
FRAMES = 500
"""Most frames that are taken of a person, spread evenly."""
DRAW = 2000
"""Faces drawn and labelled at a time."""
RECORDED_SHARE = 0.2
"""Recorded faces are repeated until they are this share of the drawn ones."""
HIDDEN = (224, 160)
"""Widths of the hidden layers."""
BATCH, RATE, DECAY = 512, 2e-3, 1e-5
EVEN = 0.05
"""A shape counts with the inverse of its standard deviation plus this."""


@dataclass(frozen=True)
class Lessons:
    """What the teacher said.

    Attributes:
        points: float32 (n, 292), x and y of the faces in the head frame.
        scores: float32 (n, 52).
        people: int (n, k), whose faces went into each; -1 where fewer did.
    """

    points: np.ndarray
    scores: np.ndarray
    people: np.ndarray

    def of(self, chosen: np.ndarray) -> Lessons:
        """Some of the lessons."""
        return Lessons(self.points[chosen], self.scores[chosen], self.people[chosen])


def read_people(folder: Path) -> list[np.ndarray]:
    """Recorded faces in the head frame, float32 (n, 478, 3) for each person.

    Raises:
        InputError: No track in the folder.
    """
    people = []
    for path in sorted([*folder.glob("*.npz"), *folder.glob("*.h5")]):
        for landmarks, found in _read_tracks(path):
            usable = np.flatnonzero(found & np.isfinite(landmarks).all((1, 2)))
            if len(usable):
                spread = usable[:: -(-len(usable) // FRAMES)]
                people.append(frontal_view(landmarks[spread]).astype(np.float32))
    if not people:
        raise InputError(f"{folder}: no face in any .npz or .h5 file; accepted are face tracks")
    return people


def _read_tracks(path: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if path.suffix == ".h5":
        from react24.faces.track import read_track

        for role in ROLES:
            track = read_track(path, role)
            yield np.asarray(track.landmarks, np.float64), track.valid
        return
    with np.load(path, allow_pickle=False) as stored:
        if "landmarks_x16" in stored.files:
            yield stored["landmarks_x16"].astype(np.float64) / 16, stored["found"]
        else:
            yield stored["landmarks"].astype(np.float64), stored["found"]


def ask(teacher: Judge, faces: np.ndarray) -> np.ndarray:
    """The teacher's scores (n, 52) of faces (n, 478, 3) in the head frame."""
    side = int(4 * PIXELS)
    return teacher.scores((PIXELS * faces + side / 2).astype(np.float32), side, side)


def make_lessons(
    recorded: list[np.ndarray], teacher: Judge, drawn: int, rng: np.random.Generator
) -> tuple[Lessons, Lessons]:
    """The teacher's scores of the recorded and of the drawn faces."""
    rig = load_rig()
    scores = [ask(teacher, faces) for faces in recorded]
    rest = [np.median(f[choose_rest(s)[0]], 0) for f, s in zip(recorded, scores, strict=True)]
    whose = np.repeat(np.arange(len(recorded)), [len(faces) for faces in recorded])
    people = People(np.concatenate(recorded), whose, np.stack(rest))
    real = _lessons(people.faces, np.concatenate(scores), whose[:, None])
    parts = []
    steps = range(-(-drawn // DRAW))
    for _ in progress(steps, what="drawing faces", unit="lot", total=len(steps)):
        faces, used = draw_faces(people, rig, DRAW, rng)
        parts.append(_lessons(faces, ask(teacher, faces), used))
    fields = (np.concatenate([getattr(p, name) for p in parts]) for name in Lessons.__annotations__)
    return real, Lessons(*fields)


def _lessons(faces: np.ndarray, scores: np.ndarray, people: np.ndarray) -> Lessons:
    points = faces[:, BLENDSHAPE_POINTS, :2].reshape(len(faces), -1)
    return Lessons(points.astype(np.float32), scores.astype(np.float32), people)


def fit_student(real: Lessons, drawn: Lessons, *, epochs: int, seed: int) -> dict[str, np.ndarray]:
    """Fit the perceptron to both kinds of lessons by weighted squared error.

    Lessons of recorded faces are repeated to ``RECORDED_SHARE`` of the drawn ones.

    Returns:
        The arrays of a student's file.
    """
    import torch

    torch.manual_seed(seed)
    repeat = max(1, round(RECORDED_SHARE * len(drawn.points) / len(real.points)))
    points = torch.from_numpy(np.concatenate([drawn.points] + [real.points] * repeat))
    scores = torch.from_numpy(np.concatenate([drawn.scores] + [real.scores] * repeat))
    mean, spread = points.mean(0), points.std(0)
    points = (points - mean) / spread
    weights = 1.0 / (scores.std(0) + EVEN)
    sizes = (points.shape[1], *HIDDEN, scores.shape[1])
    layers = [torch.nn.Linear(n, m) for n, m in pairwise(sizes)]
    network = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    batch = min(BATCH, len(points))
    steps = len(points) // batch
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=epochs * steps, pct_start=0.1
    )
    for _ in progress(range(epochs), what="fitting", unit="epoch", total=epochs):
        for chosen in torch.randperm(len(points))[: steps * batch].reshape(steps, batch):
            away = (torch.sigmoid(network(points[chosen])) - scores[chosen]) * weights
            loss = (away**2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    arrays = {"mean": mean.numpy(), "spread": spread.numpy()}
    for k, layer in enumerate(layers):
        arrays[f"weight_{k}"] = layer.weight.detach().numpy().T
        arrays[f"bias_{k}"] = layer.bias.detach().numpy()
    return arrays


def save_student(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write a student's file; weights as float16."""
    halves = {
        name: array.astype(np.float16 if name.startswith("weight_") else np.float32)
        for name, array in arrays.items()
    }
    np.savez_compressed(path, **halves)


def leave_people_out(
    real: Lessons, drawn: Lessons, folds: int, *, epochs: int, seed: int
) -> np.ndarray:
    """Scores (n, 52) of every recorded face by a student that knows nothing of its person."""
    scores = np.empty_like(real.scores)
    for fold in range(folds):
        out = [p for p in range(int(real.people.max()) + 1) if p % folds == fold]
        told = np.isin(real.people, out).any(1)
        fit = fit_student(
            real.of(~told), drawn.of(~np.isin(drawn.people, out).any(1)), epochs=epochs, seed=seed
        )
        scores[told] = Perceptron(fit).scores(real.points[told])
        logger.info("without people %s: %s", out, _quality(scores[told], real.scores[told]))
    logger.info("all people, each left out: %s", _quality(scores, real.scores))
    return scores


def _quality(said: np.ndarray, right: np.ndarray) -> str:
    alive = right.std(0) > EVEN
    r = [np.corrcoef(said[:, k], right[:, k])[0, 1] for k in np.flatnonzero(alive)]
    error = np.sqrt(((said - right) ** 2).mean())
    usual = np.sqrt(((right - right.mean(0)) ** 2).mean())
    return (
        f"error {error:.3f} (saying the mean: {usual:.3f}), median r of {alive.sum()} shapes "
        f"{np.median(r):.3f}"
    )


def main() -> None:
    """Teach, and write the file that the package ships."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tracks", type=Path, help="folder of face tracks")
    parser.add_argument("bundle", type=Path, help="MediaPipe's face_landmarker.task")
    parser.add_argument("--output", type=Path, default=STUDENT_PATH)
    parser.add_argument("--drawn", type=int, default=240_000, help="faces to draw")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--folds", type=int, default=0, help="parts of the people to leave out")
    parser.add_argument("--scores", type=Path, help="with --folds: file for the scores (.npy)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    from react24.streams.blendshape_network import BlendshapeNetwork

    teacher = BlendshapeNetwork(options.bundle)
    rng = np.random.default_rng(options.seed)
    real, drawn = make_lessons(read_people(options.tracks), teacher, options.drawn, rng)
    choices = {"epochs": options.epochs, "seed": options.seed}
    if options.folds:
        scores = leave_people_out(real, drawn, options.folds, **choices)
        if options.scores:
            np.save(options.scores, scores)
    save_student(fit_student(real, drawn, **choices), options.output)
    logger.info("wrote %s, taught by %s", options.output.name, teacher.name)


if __name__ == "__main__":
    main()
