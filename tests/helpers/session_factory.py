"""Small feature and clips files for tests."""

import numpy as np

from react24.clips import plan, windows
from react24.conventions import ROLES
from react24.files import contract


def write_session(folder, session, frames, *, stream="graphau", channels=25, seed=0, **changes):
    """Write the feature file of one session; returns its StreamFiles."""
    parts = {}
    for number, role in enumerate(ROLES):
        rng = np.random.default_rng([seed, number])
        settings = dict(
            values=rng.random((frames, channels)).astype(np.float32),
            valid=np.ones(frames, bool),
            feature_names=tuple(f"c{i}" for i in range(channels)),
            stream=stream,
            backend="landmarks",
            pretrained=True,
        )
        parts[role] = contract.Features(**(settings | changes))
    features = folder / "features" / stream / f"{session}.h5"
    normalized = folder / "normalized" / stream / f"{session}.h5"
    subjects = {role: f"{session}-{role}" for role in ROLES}
    contract.write_features(features, parts, subjects=subjects, created_by=f"extract_{stream}")
    return plan.StreamFiles(session, features, normalized)


def write_known(path, known):
    """Write a face track of which only `valid` is read: role -> bool (T,)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contract.create(path, schema="faces", created_by="test") as file:
        for role, valid in known.items():
            file.create_dataset(f"{role}/valid", data=valid)
    return path


def window_sessions(
    folder, lengths, *, stream="graphau", split="test", channels=25, seed=0, keep_native=True
):
    """Write the clips file of sessions s0, s1, ... of the given lengths; returns its path."""
    sessions = [
        write_session(folder, f"s{i}", n, stream=stream, channels=channels, seed=seed + i)
        for i, n in enumerate(lengths)
    ]
    path = folder / "clips" / stream / f"{split}.h5"
    windows.window_clips(sessions, path, stream=stream, split=split, keep_native=keep_native)
    return path
