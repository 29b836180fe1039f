"""Official files of Learning2Listen's code become weights that sampling takes."""

import numpy as np
import pytest
import torch
from helpers import clips_factory
from helpers.official_export import export_codebook, export_predictor

from react24 import models as registry
from react24.errors import InputError
from react24.files.contract import open_file
from react24.models.convert import convert_checkpoint
from react24.models.learning2listen.codebook import MotionCodebook
from react24.models.learning2listen.sampling import make_predictor
from react24.models.learning2listen.settings import read_settings
from react24.sampling.sample import Sampling, sample_reactions
from react24.training import export

SETTINGS = {
    "type": "tranvae",
    "variant": "official",
    "sound": "vggish",
    "codebook": {"codes": 16, "hidden": 32, "layers": 1, "heads": 4, "mlp": 32},
    "emotion": {"hidden": 16, "steps": 30},
    "predictor": {"hidden": 20, "layers": 1, "cross_layers": 1, "heads": 4, "mlp": 32},
}


def statistics(names, widths):
    rng = np.random.default_rng(4)
    return {
        f"body_{part}_{name}": rng.uniform(0.1, 1, (1, 1, width))
        for name, width in zip(names, widths, strict=True)
        for part in ("mean", "std")
    }


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """Files as the official code writes them, and the networks they are of."""
    folder = tmp_path_factory.mktemp("official")
    settings = read_settings(SETTINGS)
    torch.manual_seed(6)
    codebook = MotionCodebook(settings.codebook, settings.emotion)
    predictor = make_predictor(settings)
    states = {
        "codebook": export_codebook(codebook),
        "predictor": export_predictor(predictor),
    }
    for name, state in states.items():
        whole = {
            "config": {"vq": {"n_embed": 16}},
            "state_dict": {f"module.{key}": value for key, value in state.items()},
            "optimizer": {"optimizer": {}, "n_steps": 3},
            "epoch": 4,
        }
        torch.save(whole, folder / f"{name}.pth")
    np.savez_compressed(folder / "codebook_statistics.npz", **statistics("Y", [58]))
    arrays = statistics(["X", "audio"], [58, 128])
    np.savez_compressed(folder / "predictor_statistics.npz", **arrays)
    files = {name: folder / f"{name}.pth" for name in states}
    files |= {f"{name}_statistics": folder / f"{name}_statistics.npz" for name in states}
    return files, {"codebook": codebook, "predictor": predictor}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    paths = clips_factory.write_streams(folder, 2)
    sound = clips_factory.behaviour(2, 128)
    return {**paths, "vggish": clips_factory.write_clips(folder / "v.h5", sound, stream="vggish")}


@pytest.fixture(scope="module")
def converted(official, clips, tmp_path_factory):
    """Both stages, one job each, as the workflow does it."""
    folder = tmp_path_factory.mktemp("converted")
    files, _ = official
    places = {name: folder / name for name in ("codebook", "predictor")}
    convert_checkpoint(SETTINGS, files, {"codebook": places["codebook"]}, clips=clips)
    first = {"codebook": places["codebook"]}
    convert_checkpoint(SETTINGS, files, {"predictor": places["predictor"]}, converted=first)
    return places


def test_converted_weights_are_those_of_the_files(official, converted):
    for stage, network in official[1].items():
        found, expected = export.read_weights(converted[stage]), network.state_dict()
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            if "emotion" not in name and "units" not in name:
                assert torch.equal(found[name], value), name
    found = export.read_weights(converted["codebook"])
    mean = np.load(official[0]["codebook_statistics"])["body_mean_Y"].ravel()
    np.testing.assert_allclose(found["units.mean"], mean, rtol=1e-6)
    sound = export.read_weights(converted["predictor"])["sound_units.std"]
    std = np.load(official[0]["predictor_statistics"])["body_std_audio"].ravel()
    np.testing.assert_allclose(sound, std, rtol=1e-6)


def test_the_head_is_fitted_to_the_training_clips_once(official, converted):
    files, networks = official
    found = export.read_weights(converted["codebook"])
    before = networks["codebook"].state_dict()
    heads = [name for name in before if "emotion" in name and before[name].ndim > 1]
    assert heads
    assert all(not torch.equal(found[name], before[name]) for name in heads)
    one, two = (export.read_description(converted[s]) for s in ("codebook", "predictor"))
    assert one["inputs"].keys() == {"train_graphau", "train_faceverse"}
    assert two["inputs"] == {"codebook": one["weights_sha256"]}
    assert two["converted_from"].keys() == files.keys()


def test_sampling_takes_them(converted, clips, tmp_path):
    task = Sampling("tranvae", "train", 2, 1)
    sample_reactions(task, SETTINGS, converted, clips, tmp_path / "s.h5", device="cpu")
    with open_file(tmp_path / "s.h5", "samples") as file:
        assert file["emotion"].shape == (4, 2, 750, 25)
        assert np.isfinite(file["coefficients"][:]).all()


def test_wrong_files_and_settings_are_named(official, clips, tmp_path):
    files, _ = official

    def refused(said, settings=SETTINGS, **changed):
        output = {"codebook": tmp_path / "c"}
        with pytest.raises(InputError, match=said):
            convert_checkpoint(settings, {**files, **changed}, output, clips=clips)

    refused("stage 2 of Learning2Listen.*expected.*stage 1", codebook=files["predictor"])
    refused("predictor_statistics.npz: .*body_mean_Y is missing",
            codebook_statistics=files["predictor_statistics"])  # fmt: skip
    refused("codebook.tokens is 'time_steps'", {**SETTINGS, "variant": "fixed"})
    deca = {**SETTINGS, "codebook": {**SETTINGS["codebook"], "parts": [50, 3, 3]}}
    with pytest.raises(InputError, match=r"\b56\b"):
        convert_checkpoint(deca, files, {"codebook": tmp_path / "c"}, clips=clips)
    assert not list(tmp_path.iterdir())
    assert registry.get("tranvae").convert.fitted_on == "codebook"
