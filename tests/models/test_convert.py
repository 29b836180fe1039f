"""Published checkpoints become weights that sampling takes as if they had been trained here."""

import json
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import clips_factory
from helpers.official_export import export_ldm, export_regnn, export_vae
from safetensors.torch import save_file
from torch import nn

from react24 import models as registry
from react24.errors import InputError
from react24.files.contract import open_file, sha256_file
from react24.files.samples import clip_key
from react24.models.belfusion import diffusion as belfusion
from react24.models.belfusion.denoiser import LatentDiffusion
from react24.models.belfusion.settings import read_settings
from react24.models.belfusion.vae import BehaviourVAE
from react24.models.convert import convert_checkpoint
from react24.models.regnn import network as regnn
from react24.models.regnn import settings as regnn_settings
from react24.sampling.sample import Sampling, sample_reactions
from react24.seeding import generator
from react24.training import export

SETTINGS = {
    "type": "belfusion",
    "variant": "official",
    "vae": {"hidden": 16, "latent": 16, "read_out": [64, 64], "coefficient_hidden": 8},
    "ldm": {"hidden": 32, "layers": 3},
}


@pytest.fixture(scope="module")
def network():
    """A BeLFusion with drawn weights and statistics."""
    torch.manual_seed(5)
    settings = read_settings(SETTINGS)
    vae, ldm = BehaviourVAE(settings.vae), LatentDiffusion(settings.ldm)
    vae.code_minimum.uniform_(-0.5, -0.3)
    vae.code_maximum.uniform_(0.3, 0.5)
    vae.code_std.uniform_(0.1, 0.2)
    vae.coefficient_mean.normal_()
    return belfusion.Belfusion(vae, ldm, settings)


@pytest.fixture(scope="module")
def official(network, tmp_path_factory):
    """Its files as the official code writes them."""
    folder = tmp_path_factory.mktemp("official")
    state, statistics = export_vae(network.vae)
    wrapped = {f"module.{key}": value for key, value in state.items()}
    whole = {"epoch": 999, "state_dict": wrapped, "optimizer": {"state": {}, "param_groups": []}}
    torch.save(whole | {"statistics": statistics}, folder / "checkpoint_999.pth")
    torch.save(whole, folder / "without.pth")
    torch.save(statistics, folder / "statistics.pt")
    ldm = export_ldm(network.ldm)
    torch.save({"epoch": 99, "state_dict": ldm, "optimizer": {}}, folder / "checkpoint_99.pth")
    save_file({k: v.clone() for k, v in ldm.items()}, folder / "ldm.safetensors")
    np.save(folder / "mean_face.npy", network.vae.coefficient_mean.numpy().reshape(1, 58))
    return folder


def files_of(official, **changed):
    files = {"vae": "checkpoint_999.pth", "ldm": "checkpoint_99.pth", "mean_face": "mean_face.npy"}
    return {name: official / file for name, file in (files | changed).items() if file}


def converted(official, folder, settings=SETTINGS, **changed):
    output = {stage: folder / stage for stage in ("vae", "ldm")}
    convert_checkpoint(settings, files_of(official, **changed), output)
    return output


def test_converted_weights_are_those_of_the_files(official, network, tmp_path):
    folders = converted(official, tmp_path)
    for stage, module in (("vae", network.vae), ("ldm", network.ldm)):
        found, expected = export.read_weights(folders[stage]), module.state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_sampling_from_converted_weights_equals_the_model(official, network, tmp_path):
    folders = converted(official, tmp_path)
    clips = clips_factory.write_streams(tmp_path, 1, split="test")
    task = Sampling("belfusion", "test", 2, 4)
    sample_reactions(task, SETTINGS, folders, clips, tmp_path / "s.h5", device="cpu")
    speaker = torch.from_numpy(clips_factory.behaviour(1, 25))
    with open_file(tmp_path / "s.h5", "samples") as file:
        noise = [generator(4, "sampling", *clip_key(row)) for row in file["index"][:]]
        reactions = network.react({"speaker": speaker}, 2, noise)
        for name in ("emotion", "coefficients"):
            np.testing.assert_allclose(file[name][:], getattr(reactions, name), atol=1e-6)


def test_the_description_says_where_the_weights_come_from(official, tmp_path):
    folders = converted(official, tmp_path)
    first, second = (export.read_description(folders[stage]) for stage in ("vae", "ldm"))
    source = official / "checkpoint_999.pth"
    assert first["converted_from"]["vae"] == {
        "file": source.name,
        "sha256": sha256_file(source),
    }
    assert second["converted_from"].keys() == {"vae", "ldm", "mean_face"}
    assert second["inputs"] == {"vae": first["weights_sha256"]}
    assert first["pretrained"] is second["pretrained"] is True
    assert first["parameters"] > sum(
        p.numel() for p in BehaviourVAE(read_settings(SETTINGS).vae).parameters()
    )
    assert "mean_face.npy" in (folders["vae"] / "model.json").read_text()
    assert str(official) not in (folders["vae"] / "model.json").read_text()


def test_a_stage_written_alone_is_the_same(official, tmp_path):
    whole = converted(official, tmp_path / "whole")
    convert_checkpoint(SETTINGS, files_of(official), {"ldm": tmp_path / "alone"})
    for name in ("model.safetensors", "model.json"):
        assert (tmp_path / "alone" / name).read_bytes() == (whole["ldm"] / name).read_bytes()


def test_statistics_and_weights_in_other_files(official, tmp_path):
    one = converted(official, tmp_path / "one")
    changed = {"vae": "without.pth", "statistics": "statistics.pt", "ldm": "ldm.safetensors"}
    other = converted(official, tmp_path / "other", **changed)
    for stage in ("vae", "ldm"):
        name = "model.safetensors"
        assert (one[stage] / name).read_bytes() == (other[stage] / name).read_bytes()


def test_coefficients_without_a_mean_face_are_relative(official, tmp_path, caplog):
    folders = converted(official, tmp_path, mean_face=None)
    assert not export.read_weights(folders["vae"])["coefficient_mean"].any()
    assert "relative to the mean face" in caplog.text


WRONG = {
    "swapped": ({"vae": "checkpoint_99.pth"}, "checkpoint_99.pth: this is a whole checkpoint .*"
                "of stage 2 of BeLFusion .*expected a state_dict of stage 1 of BeLFusion"),
    "other stage": ({"ldm": "without.pth"}, "expected a state_dict of stage 2 of BeLFusion"),
    "no statistics": ({"vae": "without.pth"}, "without.pth: .*expected an entry 'statistics'"),
    "no such statistics": ({"statistics": "mean_face.npy"}, "mean_face.npy: .*min, max, mean"),
    "mean of another size": ({"mean_face": "statistics.pt"}, "array of 58 mean coefficients"),
    "no file": ({"vae": "none.pth"}, "none.pth: no such file; expected checkpoint of stage 1"),
    "no name": ({"vae": None}, r"file 'vae' is missing \(checkpoint of stage 1"),
    "unknown name": ({"lmd": "without.pth"}, "file 'lmd' is unknown; did you mean ldm"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_are_named(name, official, tmp_path):
    changed, said = WRONG[name]
    with pytest.raises(InputError, match=f"(?s){said}"):
        converted(official, tmp_path, **changed)
    assert not list(tmp_path.iterdir())


def test_files_of_other_sizes_and_broken_numbers_are_refused(official, network, tmp_path):
    larger = {**SETTINGS, "vae": {**SETTINGS["vae"], "hidden": 32, "latent": 32}}
    with pytest.raises(InputError, match=r"(?s)checkpoint_999\.pth: .*wrong shape, x_rnn"):
        converted(official, tmp_path, larger)
    state = export_ldm(network.ldm)
    state["layers.0.norm.bias"][3] = torch.nan
    torch.save(state, official / "broken.pth")
    with pytest.raises(InputError, match=r"not finite numbers: ldm\.denoiser\.layers\.0\.norm"):
        converted(official, tmp_path, ldm="broken.pth")


def test_settings_that_do_not_go_with_official_weights_are_refused(official, tmp_path):
    with pytest.raises(InputError, match="set variant: official"):
        converted(official, tmp_path, {**SETTINGS, "variant": "fixed"})


def test_models_without_published_weights(official, tmp_path, monkeypatch):
    kind = replace(registry.get("belfusion"), convert=None)
    monkeypatch.setattr(registry, "get", lambda name: kind)
    with pytest.raises(InputError, match="no published weights"):
        converted(official, tmp_path)


def fitting(settings, files, clips):
    """A conversion that fits the mean of the coefficients to the training clips."""
    from react24.models.belfusion.official import convert

    tensors = convert(settings, files)
    if clips is not None:
        tensors["vae"]["coefficient_mean"] = clips.take("face", torch.arange(clips.rows)).mean(
            (0, 1)
        )
    return tensors


def test_conversions_that_fit_something_get_the_training_clips(official, tmp_path, monkeypatch):
    kind = registry.get("belfusion")
    change = replace(kind.convert, function=f"{__name__}:fitting", fitted_on="vae")
    monkeypatch.setattr(registry, "get", lambda name: replace(kind, convert=change))
    settings = read_settings(SETTINGS).as_dict()
    assert registry.get("").conversion_streams(settings) == ("graphau", "faceverse")
    assert kind.conversion_streams(settings) == ()
    output = {"vae": tmp_path / "vae"}
    with pytest.raises(InputError, match="training clips of stream graphau, faceverse"):
        convert_checkpoint(SETTINGS, files_of(official), output)
    clips = clips_factory.write_streams(tmp_path, 2)
    convert_checkpoint(SETTINGS, files_of(official), output, clips=clips)
    description = json.loads((tmp_path / "vae/model.json").read_text())
    assert description["inputs"].keys() == {"train_graphau", "train_faceverse"}
    assert description["pretrained"] is False
    mean = export.read_weights(tmp_path / "vae")["coefficient_mean"]
    np.testing.assert_allclose(mean, clips_factory.behaviour(2, 58).mean((0, 1)), atol=1e-5)
    after = {"ldm": tmp_path / "ldm"}
    convert_checkpoint(SETTINGS, files_of(official), after, converted=output)
    second = export.read_description(tmp_path / "ldm")
    assert second["inputs"] == {"vae": description["weights_sha256"]}
    assert second["pretrained"] is False
    with pytest.raises(InputError, match="was not converted from these files"):
        convert_checkpoint(SETTINGS, files_of(official, mean_face=None), after, converted=output)
    clips = clips_factory.write_streams(tmp_path / "t", 2, split="test")
    with pytest.raises(InputError, match="holds split test, not train"):
        convert_checkpoint(SETTINGS, files_of(official), output, clips=clips)


class Part(nn.Module):
    """A part of a network, for files of whole networks."""


def pickle_network(path, state, attributes, monkeypatch):
    """``torch.save`` of a whole network of a class ``models.mhp.Part`` that nobody has."""
    parts = {"": Part()}
    for key, value in state.items():
        *folders, name = key.split(".")
        for depth in range(1, len(folders) + 1):
            here = ".".join(folders[:depth])
            if here not in parts:
                parts[here] = Part()
                parts[".".join(folders[: depth - 1])].add_module(folders[depth - 1], parts[here])
        parts[".".join(folders)].register_buffer(name, value)
    for key, value in attributes.items():
        folder, _, name = key.rpartition(".")
        setattr(parts[folder], name, value)
    with monkeypatch.context() as patch:
        for name in ("models", "models.mhp"):
            patch.setitem(sys.modules, name, types.ModuleType(name))
        sys.modules["models.mhp"].Part = Part
        patch.setattr(Part, "__module__", "models.mhp")
        torch.save(nn.DataParallel(parts[""]), path)


def test_a_whole_network_of_regnn_is_converted_and_samples(tmp_path, monkeypatch):
    settings = regnn_settings.read_settings({"variant": "official"})
    torch.manual_seed(1)
    network = regnn.RegnnNetwork(settings.network, settings.visual_width, settings.sound_width)
    state = export_regnn(network)
    norms = {f"motor_processor.Layers.{i}.norm_layer._init": True for i in range(2)}
    pickle_network(tmp_path / "mhp.pth", state, norms | {"pattern": "all"}, monkeypatch)
    values = {"type": "regnn", **settings.as_dict()}
    files = registry.get("regnn").convert.name_files(str(tmp_path / "mhp.pth"))
    folder = tmp_path / "generator"
    convert_checkpoint(values, files, {"generator": folder})
    tensors = export.read_weights(folder)
    expected = network.state_dict() | {"motor.initialised": torch.tensor(True)}
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in tensors.items())
    assert "models.mhp" not in sys.modules
    speaker = {"visual": torch.randn(1, 750, 768), "sound": torch.rand(1, 750, 128) * 255}
    network.motor.initialised.fill_(True)
    direct = regnn.load(values, {"generator": network.state_dict()})
    again = regnn.load(values, {"generator": tensors})
    noise = [torch.Generator().manual_seed(2)], [torch.Generator().manual_seed(2)]
    one, two = (model.react(speaker, 2, n) for model, n in zip((direct, again), noise, strict=True))
    assert torch.equal(one.emotion, two.emotion)


def test_a_single_path_stands_for_the_only_file():
    conversion = registry.get("belfusion").convert
    assert replace(conversion, files={"all": "it"}).name_files("a.pth") == {"all": "a.pth"}
    assert conversion.name_files({"vae": "a", "ldm": "b"}) == {"vae": "a", "ldm": "b"}
    with pytest.raises(InputError, match="a path for each of vae, ldm"):
        conversion.name_files("a.pth")
