"""How jerky reactions are beside the real one: a metric of your own in one file."""

import numpy as np

from react24.contracts.metric import Direction, Metric


def mean_squared_jerk(behaviour: np.ndarray, known: np.ndarray) -> float:
    """Of behaviour (..., T, 25), over the frames whose four values (T,) are all known."""
    jerk = np.diff(behaviour.astype("f8"), n=3, axis=-2)  # (..., T - 3, 25), units per frame³
    usable = known[:-3] & known[1:-2] & known[2:-1] & known[3:]
    return float(np.square(jerk[..., usable, :]).mean()) if usable.any() else np.nan


def log_jerk_ratio(direction: Direction) -> float:
    """log10 of the jerk of all samples over that of the real listener, over the same frames."""
    known = direction.listener_known
    real = mean_squared_jerk(direction.listener, known)
    made = mean_squared_jerk(direction.reactions, known)
    return float(np.log10(made / real)) if made > 0 and real > 0 else np.nan


TITLE = "log10 of the mean squared jerk over that of the real listener; 0 is as smooth as he is"
METRIC = Metric("smoothness", TITLE, arrow="", decimals=2, function=log_jerk_ratio)
