"""Learning2Listen from clips to reactions: both stages, interruptions, variants."""

import json

import numpy as np
import pytest
import torch
from helpers import clips_factory, stages
from helpers.stages import read_history
from safetensors.torch import load_file

from react24.errors import InputError
from react24.files import contract
from react24.models.learning2listen import tasks
from react24.sampling.sample import Sampling, sample_reactions

SMALL = {
    "type": "tranvae",
    "variant": "fixed",
    "sound": "vggish",
    "codebook": {
        "codes": 16, "hidden": 32, "layers": 1, "heads": 4, "mlp": 32,
        "epochs": 3, "batch_size": 16, "peak_rate": 2e-3,
    },
    "emotion": {"hidden": 16, "steps": 30},
    "predictor": {
        "hidden": 20, "layers": 1, "cross_layers": 1, "heads": 4, "mlp": 32,
        "epochs": 3, "batch_size": 16, "peak_rate": 2e-3,
    },
    "training": {"validate_every": 2, "checkpoint_steps": 2},
}  # fmt: skip
STAGES = ("codebook", "predictor")
FILES = ("model.safetensors", "history.h5", "model.json")


def write(folder, pairs, split="train", seed=0):
    paths = clips_factory.write_streams(folder, pairs, split=split, seed=seed)
    sound = clips_factory.behaviour(pairs, 128, seed)
    path = folder / "vggish" / f"{split}.h5"
    return {**paths, "vggish": clips_factory.write_clips(path, sound, stream="vggish", split=split)}


def merged(**sections):
    return {k: {**v, **sections.get(k, {})} if isinstance(v, dict) else v for k, v in SMALL.items()}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return write(folder, 2), write(folder, 1, "val", 5)


def train_both(folder, clips, settings=SMALL):
    stages.train(folder, "codebook", settings, *clips)
    stages.train(folder, "predictor", settings, *clips, needed=["codebook"])
    return {name: folder / name for name in STAGES}


@pytest.fixture(scope="module")
def trained(clips, tmp_path_factory):
    return train_both(tmp_path_factory.mktemp("trained"), clips)


def sampled(weights, settings, clips, output, samples=2):
    task = Sampling(model="tranvae", split="train", samples=samples, seed=3)
    sample_reactions(task, settings, weights, clips, output, device="cpu")
    with contract.open_file(output, "samples") as file:
        return {name: file[name][:] for name in ("emotion", "coefficients")}


def test_both_stages_leave_weights_and_histories(trained):
    for name in STAGES:
        history = read_history(trained[name] / "history.h5")
        assert history.train["epoch"] == [0, 1, 2]
        assert history.val["epoch"] == [1, 2]
        assert np.isfinite(history.train["loss"]).all()
    inputs = json.loads((trained["predictor"] / "model.json").read_text())["inputs"]
    assert {"train_faceverse", "train_vggish", "codebook"} <= inputs.keys()
    assert "train_graphau" not in inputs  # the emotion head belongs to the codebook


def test_reactions_have_the_units_of_the_listeners(trained, clips, tmp_path):
    made = sampled(trained, SMALL, clips[0], tmp_path / "s.h5", samples=3)
    assert made["emotion"].shape == (4, 3, 750, 25)
    assert made["coefficients"].shape == (4, 3, 750, 58)
    face = clips_factory.behaviour(2, 58)
    assert abs(made["coefficients"].mean() - face.mean()) < 0.1
    assert abs(made["emotion"].mean() - clips_factory.behaviour(2, 25).mean()) < 0.1
    values = made["emotion"]
    assert len({values[i, s].tobytes() for i in range(4) for s in range(3)}) > 6


@pytest.mark.parametrize("stage", STAGES)
def test_an_interrupted_stage_ends_with_the_same_bytes(
    stage, trained, clips, tmp_path, monkeypatch
):
    kind = {"codebook": tasks.CodebookTask, "predictor": tasks.PredictorTask}[stage]
    real, calls = kind.loss, []

    def failing(self, batch, noise):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return real(self, batch, noise)

    needed = {"codebook": trained["codebook"]} if stage == "predictor" else {}
    with monkeypatch.context() as patch:
        patch.setattr(kind, "loss", failing)
        with pytest.raises(KeyboardInterrupt):
            stages.train(tmp_path, stage, SMALL, *clips, needed=needed)
    stages.train(tmp_path, stage, SMALL, *clips, needed=needed)
    timing = json.loads((tmp_path / stage / "training.json").read_text())
    assert timing["resumed_at_step"] > 0
    for name in FILES:
        assert (tmp_path / stage / name).read_bytes() == (trained[stage] / name).read_bytes(), name


def test_the_codebook_learns_motion_and_the_predictor_its_codes(clips, tmp_path):
    settings = merged(
        codebook={"epochs": 24},
        predictor={"epochs": 40, "peak_rate": 5e-3},
        training={"validate_every": 40, "checkpoint_steps": None, "keep_best": None},
    )
    folders = train_both(tmp_path, clips, settings)
    motion = read_history(folders["codebook"] / "history.h5").train["motion"]
    assert motion[-1] < 0.8 * motion[0]
    loss = read_history(folders["predictor"] / "history.h5").train["loss"]
    assert loss[-1] < 0.8 * loss[0]


def test_the_official_variant_trains_and_samples(clips, tmp_path):
    settings = merged(codebook={"epochs": 1}, predictor={"epochs": 1})
    settings["variant"] = "official"
    folders = train_both(tmp_path, (clips[0], None), settings)
    made = sampled(folders, settings, clips[0], tmp_path / "s.h5")
    assert np.isfinite(made["emotion"]).all()
    # It begins with one window of the mean face.
    face = made["coefficients"][:, :, :32]
    np.testing.assert_allclose(face, np.broadcast_to(face[:1, :1, :1], face.shape), atol=1e-5)
    dead = [n for n in load_file(folders["predictor"] / "model.safetensors") if "past" in n]
    assert dead


@pytest.mark.parametrize(
    ("variant", "splits"), [("official", {"train", "val"}), ("fixed", {"val"})]
)
def test_known_codes_are_those_of_the_motion(clips, tmp_path, monkeypatch, variant, splits):
    read, known = tasks.PredictorTask._read, []

    def checked(self, split, codes, pieces, visible):
        batch = read(self, split, codes, pieces, visible)
        if codes is not None:
            motion = read(self, split, None, pieces, visible)["motion"]
            assert torch.equal(batch["codes"], self._encode(self.smooth(motion)))
            known.append("train" if split is self.train else "val")
        return batch

    monkeypatch.setattr(tasks.PredictorTask, "_read", checked)
    settings = merged(codebook={"epochs": 1}, training={"keep_best": None})
    settings["variant"] = variant
    train_both(tmp_path, clips, settings)
    assert set(known) == splits


def test_another_codebook_or_sound_is_refused(trained, clips, tmp_path):
    with pytest.raises(InputError, match=r"codebook\.codes: 16 against 8"):
        stages.train(
            tmp_path, "predictor", merged(codebook={"codes": 8}), *clips,
            needed={"codebook": trained["codebook"]},
        )  # fmt: skip
    with pytest.raises(InputError, match="sound: 'vggish' against 'wav2vec2'"):
        sampled(trained, {**SMALL, "sound": "wav2vec2"}, clips[0], tmp_path / "s.h5")


def test_settings_of_the_predictor_do_not_concern_the_codebook(trained, clips, tmp_path):
    folder = stages.train(tmp_path, "codebook", merged(predictor={"epochs": 9}), *clips)
    for name in FILES:
        assert (folder / name).read_bytes() == (trained["codebook"] / name).read_bytes(), name
