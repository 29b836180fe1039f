"""Stage 2 with one draw and with several, offline and online: trained, sampled, configured."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import clips_factory, stages
from helpers.stages import read_history
from safetensors.torch import load_file

from react24.files import contract
from react24.models.belfusion import tasks
from react24.project.config import load_settings
from react24.sampling.sample import Sampling, sample_reactions

REPOSITORY = Path(__file__).resolve().parents[3]
KINDS = {
    "k10": {"draws": 10},
    "k1": {"draws": 1},
    "online": {"draws": 2, "online": True},
    "online_first_window": {"draws": 2, "online": True, "window_start": "first_window"},
}


def settings_of(kind):
    return {
        "type": "belfusion",
        "variant": "fixed",
        "vae": {
            "hidden": 16, "latent": 16, "read_out": [8], "coefficient_hidden": 8,
            "epochs": 20, "batch_size": 2, "learning_rate": 0.01,
        },
        "ldm": {"hidden": 32, "layers": 3, "epochs": 4, "batch_size": 2, **KINDS[kind]},
        "training": {"checkpoint_steps": 3, "validate_every": 2},
    }  # fmt: skip


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    splits = {"train": 3, "val": 2, "test": 2}
    return {
        split: clips_factory.write_streams(folder, pairs, split=split, seed=pairs)
        for split, pairs in splits.items()
    }


@pytest.fixture(scope="module")
def vae(clips, tmp_path_factory):
    return stages.train(tmp_path_factory.mktemp("vae"), "vae", settings_of("k1"), clips["train"])


def train(folder, kind, clips, vae):
    splits = (clips["train"], clips["val"])
    return stages.train(folder, "ldm", settings_of(kind), *splits, needed={"vae": vae})


@pytest.fixture(scope="module")
def trained(clips, vae, tmp_path_factory):
    return {kind: train(tmp_path_factory.mktemp(kind), kind, clips, vae) for kind in KINDS}


def sample(kind, trained, vae, speakers, output):
    task = Sampling(model="belfusion", samples=2, seed=1, split="test")
    weights = {"vae": vae, "ldm": trained[kind]}
    sample_reactions(task, settings_of(kind), weights, {"graphau": speakers}, output, device="cpu")
    with contract.open_file(output, "samples") as file:
        return file["emotion"][:]  # (4, 2, 750, 25)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_trained_and_reacts(kind, trained, clips, vae, tmp_path):
    history = read_history(trained[kind] / "history.h5")
    assert history.train["step"] == [2, 4, 6, 8]
    assert history.val["epoch"] == [1, 3]
    config = json.loads((trained[kind] / "model.json").read_text())["config"]["ldm"]
    assert {name: config[name] for name in KINDS[kind]} == KINDS[kind]
    emotion = sample(kind, trained, vae, clips["test"]["graphau"], tmp_path / "samples.h5")
    assert emotion.shape == (4, 2, 750, 25)
    assert np.isfinite(emotion).all()
    assert not np.array_equal(emotion[:, 0], emotion[:, 1])


@pytest.mark.parametrize("kind", ["k1", "online"])
def test_an_interrupted_training_ends_with_the_same_bytes(
    kind, trained, clips, vae, tmp_path, monkeypatch
):
    real, calls = tasks.LDMTask.read, []

    def failing(self, *arguments):
        calls.append(0)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(tasks.LDMTask, "read", failing)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, kind, clips, vae)
    again = train(tmp_path, kind, clips, vae)
    assert json.loads((again / "training.json").read_text())["resumed_at_step"] == 3
    for name in ("model.safetensors", "history.h5"):
        assert (again / name).read_bytes() == (trained[kind] / name).read_bytes(), name


def test_the_best_of_ten_draws_is_better_than_one(trained):
    loss = {kind: read_history(trained[kind] / "history.h5").train["code"] for kind in KINDS}
    assert (np.array(loss["k10"]) < np.array(loss["k1"])).all()


def test_each_kind_is_a_network_of_its_own_with_the_same_shapes(trained):
    weights = {kind: load_file(folder / "model.safetensors") for kind, folder in trained.items()}
    name = "denoiser.to_code.weight"
    assert len({tuple(tensors[name].shape) for tensors in weights.values()}) == 1
    assert not torch.equal(weights["k1"][name], weights["k10"][name])
    assert not torch.equal(weights["online"][name], weights["online_first_window"][name])


@pytest.mark.parametrize(("kind", "first_changed"), [("k1", 8), ("online", 9)])
def test_online_a_window_shows_in_the_reaction_one_window_later(
    kind, first_changed, trained, clips, vae, tmp_path
):
    """The speakers' window 8 (frames 400 to 449) is changed, and with it only one window."""
    native = clips_factory.behaviour(2, 25, 2)
    changed = native.copy()
    changed[:, 400:450] = 1 - changed[:, 400:450]
    paths = [
        clips_factory.write_clips(tmp_path / f"{i}.h5", values, split="test")
        for i, values in enumerate((native, changed))
    ]
    one, other = (
        sample(kind, trained, vae, path, tmp_path / f"samples{i}.h5")
        for i, path in enumerate(paths)
    )
    apart = np.abs(one - other).reshape(4, 2, 15, 50, 25).max(axis=(0, 1, 3, 4))
    assert np.flatnonzero(apart > 1e-6).tolist() == [first_changed]


def test_the_configuration_of_the_model_card_is_accepted():
    text = (REPOSITORY / "docs/models/belfusion.md").read_text(encoding="utf-8")
    block = text.partition("## Kinds of stage 2")[2].partition("```yaml")[2].partition("```")[0]
    import yaml

    settings = load_settings(yaml.safe_load(block), REPOSITORY)
    found = {
        name: (model["ldm"]["draws"], model["ldm"]["online"])
        for name, model in settings.models.items()
    }
    assert found == {
        "belfusion": (10, False),
        "belfusion_k1": (1, False),
        "belfusion_online": (10, True),
    }
