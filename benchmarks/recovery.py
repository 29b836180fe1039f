"""How well the landmark backend recovers what the demo corpus's heads really did.

    python benchmarks/recovery.py resources/demo results/faces [--sessions demo01 demo02 ...]

Reads ``<demo>/<session>/truth.h5`` and ``<faces>/<session>.h5``; prints, per person and in all, the
median angle between the true and the recovered rotation and the correlation of recovered with true
coefficients: of the rig's solve, and below it of the stream ``faceverse``, in which a judge that
learned from real people has a say too. To it the drawn heads, made from a portrait that smiles,
smile all the time, unless the faces file says when they rest (``neutral_a``, ``neutral_b`` of the
sample sheet). Frames with a covered or missing face do not count.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from react24.conventions import ROLES
from react24.faces.track import read_track
from react24.files import contract
from react24.rig.pose import euler_to_matrix
from react24.rig.shapes import NAMES
from react24.rig.solve import solve_track
from react24.streams.faceverse.landmarks import LandmarksFaceVerse
from react24.streams.landmarks import combine
from react24.streams.neutral import rest_mask
from react24.streams.sources import stated_rest

SHAPES = (
    "jawOpen",
    "mouthSmileLeft",
    "mouthSmileRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "browInnerUp",
    "browDownLeft",
    "browDownRight",
    "mouthPucker",
)
MOST_DEGREES = 3.0
LEAST_CORRELATION = 0.8


def angle_between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Degrees (T,) between rotations given as angles (T, 3)."""
    turn = euler_to_matrix(one) @ euler_to_matrix(other).swapaxes(1, 2)
    cosine = 0.5 * (np.trace(turn, axis1=1, axis2=2) - 1.0)
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def score_person(
    demo: Path, faces: Path, session: str, role: str
) -> tuple[float, np.ndarray, np.ndarray]:
    """Median rotation error in degrees; correlations of ``SHAPES`` in the solve and the stream.

    NaN: the shape is never shown.
    """
    with contract.open_file(demo / session / "truth.h5", "truth") as file:
        names = [name.decode() for name in file[role]["names"][:]]
        truth = {key: file[role][key][:] for key in ("coefficients", "rotation", "covered")}
    track = read_track(faces / f"{session}.h5", role)
    at_rest = rest_mask(stated_rest(faces / f"{session}.h5", role), len(track.valid))
    solution = solve_track(track.landmarks, track.valid, track.width, track.height, at_rest=at_rest)
    length = min(len(truth["rotation"]), len(solution.valid))
    seen = solution.valid[:length] & ~truth["covered"][:length]
    angles = angle_between(solution.rotation[:length], truth["rotation"][:length])[seen]
    stream = combine(solution, LandmarksFaceVerse.judge_share)
    columns = [names.index(name) for name in SHAPES]
    real = truth["coefficients"][:length, columns][seen]
    places = [NAMES.index(name) for name in SHAPES]
    rows = [
        correlate(real, part[:length, places][seen]) for part in (solution.coefficients, stream)
    ]
    return float(np.median(angles)), *rows


def correlate(real: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Correlation of each column of (n, k); NaN where nothing moves, 0 where that is missed."""
    row = np.full(real.shape[1], np.nan)
    for k in np.flatnonzero(real.std(0) > 1e-6):
        moves = found[:, k].std() > 1e-6
        row[k] = np.corrcoef(real[:, k], found[:, k])[0, 1] if moves else 0.0
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path, help="folder of demo session folders")
    parser.add_argument("faces", type=Path, help="folder of faces files")
    parser.add_argument("--sessions", nargs="*", help="default: all that have both")
    options = parser.parse_args()
    found = [p.stem for p in sorted(options.faces.glob("*.h5"))]
    sessions = options.sessions or [s for s in found if (options.demo / s / "truth.h5").exists()]
    if not sessions:
        parser.error(f"no session has both {options.demo}/*/truth.h5 and {options.faces}/*.h5")
    print("person".ljust(14), "degrees", *(name.removeprefix("mouth")[:10] for name in SHAPES))
    angles, correlations, streams = [], [], []
    for session in sessions:
        for role in ROLES:
            angle, row, stream = score_person(options.demo, options.faces, session, role)
            angles.append(angle)
            correlations.append(row)
            streams.append(stream)
            print(f"{session}/{role}".ljust(14), f"{angle:7.2f}", *(f"{c:.2f}" for c in row))
    table = np.array(correlations)
    error, overall = np.median(angles), np.nanmedian(table)
    print("median".ljust(14), f"{error:7.2f}", *(f"{c:.2f}" for c in np.nanmedian(table, axis=0)))
    in_stream = np.array(streams)
    print("in the stream".ljust(22), *(f"{c:.2f}" for c in np.nanmedian(in_stream, axis=0)))
    print(f"rotation error   {error:.2f} degrees, target at most {MOST_DEGREES}")
    print(f"correlation      {overall:.3f}, target at least {LEAST_CORRELATION}")
    print(f"in the stream    {np.nanmedian(in_stream):.3f}")
    met = error <= MOST_DEGREES and overall >= LEAST_CORRELATION
    print("targets", "met" if met else "MISSED")


if __name__ == "__main__":
    main()
