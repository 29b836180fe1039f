"""How well the landmark backend recovers what the demo corpus's heads really did.

    python benchmarks/recovery.py resources/demo results/faces [--sessions demo01 demo02 ...]

Reads ``<demo>/<session>/truth.h5`` and ``<faces>/<session>.h5``; prints, per person and in all, the
median angle between the true and the recovered rotation and the correlation of recovered with true
coefficients. Frames with a covered or missing face do not count.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from react24 import store
from react24.faces.track import read_track
from react24.rig.pose import euler_to_matrix
from react24.rig.solve import solve_track

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


def score_person(demo: Path, faces: Path, session: str, role: str) -> tuple[float, np.ndarray]:
    """Median rotation error in degrees, correlation of each of ``SHAPES`` (NaN: never shown)."""
    with store.open_file(demo / session / "truth.h5", "truth") as file:
        names = [name.decode() for name in file[role]["names"][:]]
        truth = {key: file[role][key][:] for key in ("coefficients", "rotation", "covered")}
    track = read_track(faces / f"{session}.h5", role)
    solution = solve_track(track.landmarks, track.valid, track.width, track.height)
    length = min(len(truth["rotation"]), len(solution.valid))
    seen = solution.valid[:length] & ~truth["covered"][:length]
    angles = angle_between(solution.rotation[:length], truth["rotation"][:length])[seen]
    correlations = []
    for name in SHAPES:
        real = truth["coefficients"][:length, names.index(name)][seen]
        found = solution.coefficients[:length, names.index(name)][seen]
        moves = real.std() > 1e-6 and found.std() > 1e-6
        missed = 0.0 if real.std() > 1e-6 else np.nan
        correlations.append(np.corrcoef(real, found)[0, 1] if moves else missed)
    return float(np.median(angles)), np.array(correlations)


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
    angles, correlations = [], []
    for session in sessions:
        for role in store.ROLES:
            angle, row = score_person(options.demo, options.faces, session, role)
            angles.append(angle)
            correlations.append(row)
            print(f"{session}/{role}".ljust(14), f"{angle:7.2f}", *(f"{c:.2f}" for c in row))
    table = np.array(correlations)
    error, overall = np.median(angles), np.nanmedian(table)
    print("median".ljust(14), f"{error:7.2f}", *(f"{c:.2f}" for c in np.nanmedian(table, axis=0)))
    print(f"rotation error   {error:.2f} degrees, target at most {MOST_DEGREES}")
    print(f"correlation      {overall:.3f}, target at least {LEAST_CORRELATION}")
    met = error <= MOST_DEGREES and overall >= LEAST_CORRELATION
    print("targets", "met" if met else "MISSED")


if __name__ == "__main__":
    main()
