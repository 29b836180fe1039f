import numpy as np
import pytest
from helpers.session_factory import window_sessions

from react24.clips import windows
from react24.files import contract
from react24.report import plots


@pytest.fixture
def clips(tmp_path):
    return window_sessions(tmp_path, [750, 750])


@pytest.fixture
def samples(tmp_path, clips):
    path = tmp_path / "samples.h5"
    with (
        windows.open_clips(clips) as opened,
        contract.create(path, schema="samples", created_by="sample_reactions") as file,
    ):
        file.attrs["model"] = "toy"
        rng = np.random.default_rng(0)
        file["emotion"] = rng.random((opened.rows, 2, 750, 25), np.float32)
        file["index"] = opened.index
    return path


def test_training_curves_are_reproducible(tmp_path):
    history = tmp_path / "history.h5"
    with contract.create(history, schema="history", created_by="train_toy") as file:
        for part in ("train", "val"):
            file[f"{part}/step"] = np.arange(1, 6)
            file[f"{part}/loss"] = np.geomspace(1, 0.1, 5)
    runs = [plots.TrainingRun(stage, seed, history) for stage in ("vae", "ldm") for seed in (0, 1)]
    plots.plot_training(runs, tmp_path / "one.png", model="toy")
    plots.plot_training(runs, tmp_path / "two.png", model="toy")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_variance_and_clip(tmp_path, clips, samples):
    plots.plot_variance(clips, [samples], tmp_path / "variance.png")
    plots.plot_clip(clips, samples, tmp_path / "clip.png", direction=3)
    for name in ("variance", "clip"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_missing_direction_is_an_error(tmp_path, clips, samples):
    with pytest.raises(IndexError):
        plots.plot_clip(clips, samples, tmp_path / "clip.png", direction=4)
