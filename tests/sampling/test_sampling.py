import json

import numpy as np
import pytest
import torch
from helpers import clips_factory, stages

from react24 import models as registry
from react24.clips import windows
from react24.errors import InputError
from react24.files import contract
from react24.files.contract import StoreError
from react24.files.samples import SamplesInfo, create_samples
from react24.sampling import sample
from react24.sampling.sample import Sampling, sample_reactions

SETTINGS = {
    "type": "belfusion",
    "variant": "fixed",
    "vae": {
        "hidden": 16, "latent": 16, "read_out": [8], "coefficient_hidden": 8,
        "epochs": 30, "batch_size": 2, "learning_rate": 0.01,
    },
    "ldm": {"hidden": 32, "layers": 3, "draws": 2, "epochs": 2, "batch_size": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folders of both stages, and test clips of three pairs."""
    folder = tmp_path_factory.mktemp("model")
    train = clips_factory.write_streams(folder, 2)
    stages.train(folder, "vae", SETTINGS, train)
    stages.train(folder, "ldm", SETTINGS, train, needed=["vae"])
    clips = clips_factory.write_streams(folder, 3, split="test", seed=7)
    return {"vae": folder / "vae", "ldm": folder / "ldm"}, clips


def sampled(trained, output, **keywords):
    weights, clips = trained
    values = {"samples": 3, "seed": 1, "split": "test", **keywords}
    settings = values.pop("settings", SETTINGS)
    task = Sampling(model="belfusion", **values)
    sample_reactions(task, settings, weights, clips, output, device="cpu")
    with contract.open_file(output, "samples") as file:
        return {key: file[key][:] for key in file}, dict(file.attrs)


@pytest.fixture(scope="module")
def whole(trained, tmp_path_factory):
    return sampled(trained, tmp_path_factory.mktemp("samples") / "s.h5")


def test_the_samples_file_keeps_the_contract(whole, trained):
    arrays, attributes = whole
    assert arrays["emotion"].shape == (6, 3, 750, 25)
    assert arrays["coefficients"].shape == (6, 3, 750, 58)
    assert arrays["emotion"].dtype == arrays["coefficients"].dtype == np.float32
    with windows.open_clips(trained[1]["graphau"]) as clips:
        np.testing.assert_array_equal(arrays["index"], clips.index)
    assert attributes["model"] == "belfusion"
    assert (attributes["seed"], attributes["samples"], attributes["split"]) == (1, 3, "test")
    assert attributes["variant"] == "fixed"
    assert not attributes["pretrained"]
    assert json.loads(attributes["inputs"]).keys() == {"graphau", "vae", "ldm"}


def test_samples_and_directions_differ(whole):
    values = whole[0]["emotion"]
    assert len({values[i, s].tobytes() for i in range(6) for s in range(3)}) == 18


def test_coefficients_are_in_native_units(whole):
    face = whole[0]["coefficients"]
    assert abs(face.mean() - clips_factory.behaviour(2, 58).mean()) < 0.1


def test_the_same_seed_gives_the_same_bytes(trained, tmp_path):
    for name in ("one", "two"):
        sampled(trained, tmp_path / f"{name}.h5")
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_another_seed_gives_other_reactions(whole, trained, tmp_path):
    arrays, _ = sampled(trained, tmp_path / "s.h5", seed=2)
    assert not np.array_equal(arrays["emotion"], whole[0]["emotion"])


def test_more_samples_leave_the_first_ones_as_they_are(whole, trained, tmp_path):
    arrays, _ = sampled(trained, tmp_path / "s.h5", samples=5)
    np.testing.assert_allclose(arrays["emotion"][:, :3], whole[0]["emotion"], atol=1e-5)


def test_a_reaction_does_not_depend_on_the_other_clips(whole, trained, tmp_path):
    native = clips_factory.behaviour(3, 25, 7)[[0, 1, 3, 4]]  # the first two of three pairs
    path = clips_factory.write_clips(tmp_path / "g.h5", native, split="test")
    arrays, _ = sampled((trained[0], {"graphau": path}), tmp_path / "s.h5")
    expected = whole[0]["emotion"][[0, 1, 3, 4]]
    np.testing.assert_allclose(arrays["emotion"], expected, atol=1e-5)


def test_batches_of_directions_change_nothing(whole, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "CLIPS_AT_ONCE", 4)  # six directions: a batch of 4, one of 2
    arrays, _ = sampled(trained, tmp_path / "s.h5")
    for name in ("emotion", "coefficients"):
        np.testing.assert_allclose(arrays[name], whole[0][name], atol=1e-5)


def test_memory_that_is_too_small_halves_batches_and_changes_nothing(
    whole, trained, tmp_path, monkeypatch, caplog
):
    model = type(sample._load(registry.get("belfusion"), SETTINGS, trained[0]).model)
    react, sizes = model.react, []

    def with_little_room(self, speaker, n_samples, generators):
        sizes.append(len(generators))
        react_to = react(self, speaker, n_samples, generators)  # takes from the random streams
        if len(generators) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
        return react_to

    monkeypatch.setattr(model, "react", with_little_room)
    arrays, _ = sampled(trained, tmp_path / "s.h5")
    assert sizes == [6, 3, 2, 2, 2]
    assert "sampling belfusion seed 1: the memory of the GPU does not hold 6 clips" in caplog.text
    for name in ("emotion", "coefficients"):
        np.testing.assert_allclose(arrays[name], whole[0][name], atol=1e-5)


def test_memory_that_does_not_hold_one_clip_is_told(trained, tmp_path, monkeypatch):
    def no_room(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    kind = type(sample._load(registry.get("belfusion"), SETTINGS, trained[0]).model)
    monkeypatch.setattr(kind, "react", no_room)
    with pytest.raises(InputError, match=r"not hold even one of the clips of 3 reactions .* fewer"):
        sampled(trained, tmp_path / "s.h5")
    assert not (tmp_path / "s.h5").exists()


def test_the_noise_is_that_of_each_direction(whole, trained):
    """The same noise through the model's own functions."""
    from react24.models.belfusion import diffusion as belfusion
    from react24.seeding import generator

    model = sample._load(registry.get("belfusion"), SETTINGS, trained[0]).model
    with windows.open_clips(trained[1]["graphau"]) as clips:
        speakers, index = torch.from_numpy(clips.native[:]), clips.index
    keys = [sample.clip_key(row) for row in index]
    shape = (3, 15, 16)
    noise = torch.stack(
        [torch.randn(shape, generator=generator(1, "sampling", *key)) for key in keys]
    )
    with torch.no_grad():
        condition = belfusion.encode_condition(model.vae, speakers).unsqueeze(1)
        code = belfusion.sample_codes(model.ldm, condition, noise)
        batch = model.vae.decode(model.vae.from_unit(code.flatten(0, 2)))
    np.testing.assert_allclose(batch.reshape(6, 3, 750, 25).numpy(), whole[0]["emotion"], atol=1e-5)


def test_weights_that_do_not_belong_together_are_refused(trained, tmp_path):
    weights, clips = trained
    stages.train(tmp_path, "vae", SETTINGS, clips, seed=5)
    mixed = ({**weights, "vae": tmp_path / "vae"}, clips)
    with pytest.raises(InputError, match="stage ldm was trained on a stage vae"):
        sampled(mixed, tmp_path / "s.h5")


def test_other_settings_than_those_of_the_training_are_refused(trained, tmp_path):
    settings = {**SETTINGS, "ldm": {**SETTINGS["ldm"], "steps": 5}}
    with pytest.raises(InputError, match="trained with other settings"):
        sampled(trained, tmp_path / "s.h5", settings=settings)


def test_missing_stages_streams_and_wrong_splits_are_named(trained, tmp_path):
    weights, clips = trained
    with pytest.raises(InputError, match="weights of stage ldm are missing"):
        sampled(({"vae": weights["vae"]}, clips), tmp_path / "s.h5")
    with pytest.raises(InputError, match="clips of stream graphau"):
        sampled((weights, {}), tmp_path / "s.h5")
    with pytest.raises(InputError, match="holds split test, not val"):
        sampled(trained, tmp_path / "s.h5", split="val")
    swapped = {"vae": weights["ldm"], "ldm": weights["ldm"]}
    with pytest.raises(InputError, match="expected stage vae of belfusion, found stage ldm"):
        sampled((swapped, clips), tmp_path / "s.h5")
    assert not list(tmp_path.iterdir())


def test_a_file_is_written_only_when_it_is_complete_and_finite(tmp_path):
    info = SamplesInfo("m", 0, "test", 2, True, "fixed")
    keywords = {
        "index": clips_factory.clips_index(1), "datasets": ("emotion",),
        "created_by": "test", "config": {}, "inputs": {},
    }  # fmt: skip
    good = np.zeros((2, 750, 25), np.float32)
    bad = good.copy()
    bad[1, 700, 3] = np.nan
    cases = [
        (good, "1 directions were not written, the first is 1"),
        (bad, "sample 1, frame 700, channel 3"),
        (good[:1], "shape"),
    ]
    for values, message in cases:
        with (
            pytest.raises(StoreError, match=message),
            create_samples(tmp_path / "s.h5", info, **keywords) as writer,
        ):
            writer.write(0, emotion=values)
    assert not list(tmp_path.iterdir())


def test_what_is_no_reactions_is_refused(trained, tmp_path, monkeypatch):
    kind = type(sample._load(registry.get("belfusion"), SETTINGS, trained[0]).model)
    monkeypatch.setattr(kind, "react", lambda *_: torch.zeros(1))
    with pytest.raises(InputError, match=r"react of \w+ returned Tensor; accepted is .*Reactions"):
        sampled(trained, tmp_path / "s.h5")
    assert not (tmp_path / "s.h5").exists()
