import json

import h5py
import numpy as np
import pytest
import torch
from helpers import clips_factory, stages
from helpers.faces_factory import write_session
from helpers.media_factory import noisy, read_number
from helpers.stages import read_history
from safetensors.torch import load_file

from react24 import models as registry
from react24.contracts.task import StageContext
from react24.errors import InputError
from react24.files import contract
from react24.models.transvae import tasks
from react24.sampling.sample import Sampling, sample_reactions
from react24.training.dataset import ClipDataset, FaceFiles, stored_arrays
from react24.training.stage import SplitFiles

TINY = {
    "type": "transvae",
    "variant": "fixed",
    "transvae": {
        "width": 16, "heads": 2, "feed_forward": 32, "window": 8, "clip_length": 20,
        "frame_size": 32, "epochs": 4, "batch_size": 2, "learning_rate": 1e-3,
    },
    "training": {"validate_every": 2, "checkpoint_steps": 3, "keep_best": "loss"},
}  # fmt: skip


def changed(variant="fixed", training=(), **section):
    return {
        **TINY,
        "variant": variant,
        "transvae": {**TINY["transvae"], **section},
        "training": {**TINY["training"], **dict(training)},
    }


def split_files(folder, sessions, *, pairs=1, split="train", seed=0):
    streams = {"graphau": 25, "faceverse": 58, "mfcc": 78}
    clips = {
        stream: clips_factory.write_clips(
            folder / stream / f"{split}.h5",
            clips_factory.behaviour(pairs, width, seed),
            stream=stream,
            split=split,
            pretrained=True,
        )
        for stream, width in streams.items()
    }
    return SplitFiles(clips, sessions=sessions)


def restless(index):
    """A noisy number; below it blocks that no other picture has, or the roles that count in step
    would pass for one recording."""
    picture = noisy(index)
    shades = np.random.default_rng(index).integers(0, 256, 4)
    picture[48:] = np.repeat(shades, 16)[None, :, None]
    return picture


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    media, faces = write_session(folder, "session00", 750, picture=restless, size=64)
    sessions = {"session00": FaceFiles(media, faces)}
    return (
        split_files(folder, sessions),
        split_files(folder, sessions, split="val", seed=5),
    )


def train_into(folder, clips, settings=TINY, **keywords):
    return stages.train(folder, "transvae", settings, *clips, **keywords)


@pytest.fixture(scope="module")
def trained(clips, tmp_path_factory):
    return train_into(tmp_path_factory.mktemp("trained"), clips)


def make_task(clips, settings):
    """The task and the clips it reads, which the caller closes."""
    kind = registry.get("transvae")
    checked = kind.read_settings(settings, "transvae")
    reads = kind.stage_inputs(checked, "transvae")
    opened = [
        ClipDataset(
            stored_arrays(files.clips, reads.clips),
            sessions=files.sessions,
            frame_size=reads.frame_size,
        )
        for files in clips
    ]
    context = StageContext("transvae", checked, *opened, needed={}, seed=0)
    return tasks.transvae_task(context), opened


def test_it_leaves_weights_description_and_history(trained):
    history = read_history(trained / "history.h5")
    terms = {"step", "epoch", "loss", "emotion", "expression", "pose", "kld", "diversity"}
    assert history.train.keys() == history.val.keys() == terms
    assert history.train["step"] == [1, 2, 3, 4]
    description = json.loads((trained / "model.json").read_text())
    assert description["pretrained"] is True
    inputs = description["inputs"].keys()
    assert {"train_mfcc", "val_faceverse", "media_session00", "faces_session00"} <= inputs


def test_the_statistics_travel_with_the_weights(trained):
    weights = load_file(trained / "model.safetensors")
    face = torch.from_numpy(clips_factory.behaviour(1, 58)).flatten(0, 1)
    torch.testing.assert_close(weights["coefficient_mean"], face.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(weights["coefficient_scale"], face.std(0), rtol=1e-3, atol=1e-5)
    emotion = torch.from_numpy(clips_factory.behaviour(1, 25)).flatten(0, 1)
    torch.testing.assert_close(weights["emotion_variance"], emotion.var(0), rtol=1e-3, atol=1e-5)


def test_a_batch_holds_the_same_frames_of_both(clips):
    task, opened = make_task(clips, changed(frame_size=64, clip_length=6, batch_size=2))
    batch = task.make_batch(3, 0, torch.Generator().manual_seed(5))
    assert {name: tuple(part.shape) for name, part in batch.items()} == {
        "frames": (2, 6, 3, 64, 64),
        "mfcc": (2, 6, 78),
        "emotion": (2, 6, 25),
        "coefficients": (2, 6, 58),
    }
    truth = {
        name: clips_factory.behaviour(1, width)
        for name, width in (("mfcc", 78), ("emotion", 25), ("coefficients", 58))
    }
    for item in range(2):
        first = read_number(batch["frames"][item, 0].permute(1, 2, 0).numpy())
        speaker, start = divmod(first, 1000)
        for name, row in (
            ("mfcc", speaker),
            ("emotion", 1 - speaker),
            ("coefficients", 1 - speaker),
        ):
            expected = truth[name][row, start : start + 6]
            np.testing.assert_array_equal(batch[name][item], expected, err_msg=name)
    again = task.make_batch(3, 0, torch.Generator().manual_seed(5))
    assert all(torch.equal(batch[name], again[name]) for name in batch)
    for part in opened:
        part.close()


def test_both_roles_speak_and_validation_is_always_the_same(clips):
    task, opened = make_task(clips, changed(clip_length=6, batch_size=1, frame_size=64))

    def speaker_and_start(batch):
        return divmod(read_number(batch["frames"][0, 0].permute(1, 2, 0).numpy()), 1000)

    drawn = [
        speaker_and_start(task.make_batch(0, step, torch.Generator().manual_seed(seed)))
        for seed in range(6)
        for step in range(task.steps_per_epoch)
    ]
    assert task.steps_per_epoch == 2
    assert {speaker for speaker, _ in drawn} == {0, 1}
    assert len({start for _, start in drawn}) > 8
    places = [speaker_and_start(task.make_validation_batch(step)) for step in range(2)]
    assert [speaker for speaker, _ in places] == [0, 1]
    assert places == [speaker_and_start(task.make_validation_batch(step)) for step in range(2)]
    for part in opened:
        part.close()


def test_training_again_gives_the_same_bytes(trained, clips, tmp_path):
    settings = changed(training={"max_memory_mb": 0, "prefetch": False})
    again = train_into(tmp_path, clips, settings)
    for name in ("model.safetensors", "history.h5"):
        assert (again / name).read_bytes() == (trained / name).read_bytes(), name


def test_an_interrupted_training_ends_with_the_same_bytes(trained, clips, tmp_path, monkeypatch):
    real = tasks.TransVAETask.make_batch

    def failing(self, epoch, step, order):
        if epoch == 3:
            raise KeyboardInterrupt
        return real(self, epoch, step, order)

    with monkeypatch.context() as patch:
        patch.setattr(tasks.TransVAETask, "make_batch", failing)
        with pytest.raises(KeyboardInterrupt):
            train_into(tmp_path, clips)
    assert not (tmp_path / "transvae" / "model.safetensors").exists()
    train_into(tmp_path, clips)
    timing = json.loads((tmp_path / "transvae" / "training.json").read_text())
    assert timing["resumed_at_step"] == 3
    for name in ("model.safetensors", "history.h5", "model.json"):
        found = (tmp_path / "transvae" / name).read_bytes()
        assert found == (trained / name).read_bytes(), name


@pytest.mark.parametrize("variant", ["official", "fixed"])
def test_online_trains_and_samples(clips, tmp_path, variant):
    settings = changed(variant, online=True, epochs=1, evaluation_window=20)
    folder = train_into(tmp_path, clips, settings)
    assert ("diversity" in read_history(folder / "history.h5").val) == (variant == "fixed")
    output = tmp_path / "samples.h5"
    sample_reactions(
        Sampling("mine", "val", 2, 0), settings, {"transvae": folder},
        {"mfcc": clips[1].clips["mfcc"]}, output, sessions=clips[1].sessions, device="cpu",
    )  # fmt: skip
    with h5py.File(output) as samples:
        emotion, face = samples["emotion"][:], samples["coefficients"][:]
        inputs = contract.read_json(samples, "inputs")
    assert set(inputs) == {"mfcc", "transvae", "media_session00", "faces_session00"}
    assert emotion.shape == (2, 2, 750, 25)
    assert face.shape == (2, 2, 750, 58)
    assert (np.abs(emotion[:, 0] - emotion[:, 1]).max((1, 2)) > 0).all()
    assert np.any(emotion[:, :, 740:]) == (variant == "fixed")


@pytest.mark.parametrize("online", [False, True])
def test_it_learns_a_batch(clips, online):
    settings = changed(
        online=online, learning_rate=5e-3, weight_diversity=0.0, dropout=0.0, frame_size=16
    )
    task, opened = make_task(clips, settings)
    batch = task.make_batch(0, 0, torch.Generator().manual_seed(0))
    optimizer, found = task.configure_optimizer(), []
    for step in range(120):
        terms = task.loss(batch, torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        found.append(terms)
    for name in ("emotion", "expression", "pose"):
        assert found[-1][name] < 0.3 * found[0][name], (name, found[0][name], found[-1][name])
    for part in opened:
        part.close()


def test_the_diversity_term_keeps_reactions_apart(clips, tmp_path):
    found = {}
    for weight in (0.0, 10.0):
        settings = changed(epochs=15, learning_rate=5e-3, weight_diversity=weight, frame_size=16)
        history = read_history(train_into(tmp_path / str(weight), clips, settings) / "history.h5")
        found[weight] = np.mean(history.train["diversity"][-5:])
    assert found[10.0] < 0.8 * found[0.0]


def test_what_cannot_be_trained_is_named(clips, tmp_path):
    with pytest.raises(InputError, match="at most the 750 frames"):
        train_into(tmp_path, clips, changed(clip_length=751))
    bare = SplitFiles(clips[0].clips)
    with pytest.raises(InputError, match="session00"):
        train_into(tmp_path, (bare, None))
