"""Training and sampling of every model on a GPU that is not there: nothing may mix devices."""

import pytest
import torch
from helpers import every_model
from helpers.pretended_gpu import on_the_gpu, pretended_gpu
from torch._subclasses.fake_tensor import FakeTensorDeviceMismatchError

from react24.devices import choose_device
from react24.sampling.sample import Sampling, draw_reactions
from react24.training.checkpoint import CheckpointFolder
from react24.training.engine import open_engine
from react24.training.loop import _Run
from react24.training.settings import read_loop_settings

KINDS = pytest.mark.parametrize(("kind", "variant", "more"), every_model.KINDS, ids=every_model.IDS)

ALL_OPTIONS = {
    "ema": 0.9, "keep_best": "loss", "validate_every": 1, "gradient_clip": 1.0, "patience": 9,
}  # fmt: skip


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return every_model.write_clips(tmp_path_factory.mktemp("clips"))


class Kept(CheckpointFolder):
    """Keeps the state instead of writing it: fakes have no numbers to write."""

    state = None

    def save(self, step, state):
        self.state = state

    def load(self):
        return self.state


def train(task, settings, kept, **options):
    """Two epochs of a stage through the loop and the engine as they are."""
    loop = read_loop_settings({**settings["training"], **options}, epochs=2)
    engine = open_engine("cuda", precision=loop.precision)
    assert engine.device.type == "cuda"
    run = _Run(task, loop, kept, 0, engine)
    began = run.resume()
    run.to_the_end(None)
    run.keep()
    task.finish()
    assert on_the_gpu(list(task.module.state_dict().values()))
    return run, began


@KINDS
def test_every_stage_trains(kind, variant, more, clips, tmp_path):
    settings = every_model.settings_of(kind, variant, more)
    for task in every_model.make_tasks(settings, clips).values():
        with pretended_gpu():
            run, _ = train(task, settings, Kept(tmp_path, {}), **ALL_OPTIONS)
        assert run.step == run.total > 0
        assert len(run.history.val["loss"]) == 2


def test_a_training_is_resumed(clips, tmp_path):
    settings = every_model.settings_of("belfusion", "fixed", {})
    first, second = (every_model.make_tasks(settings, clips)["vae"] for _ in range(2))
    kept = Kept(tmp_path, {})
    with pretended_gpu():
        run, _ = train(first, settings, kept, **ALL_OPTIONS, max_steps=1)
        assert run.step == 1
        run, began = train(second, settings, kept, **ALL_OPTIONS)
    assert (began, run.step) == (1, 2)


@KINDS
def test_reactions_are_drawn(kind, variant, more, clips):
    settings = every_model.settings_of(kind, variant, more)
    model = every_model.make_model(settings, every_model.make_tasks(settings, clips))
    task = Sampling(kind, "train", samples=2, seed=0)
    with every_model.read_speakers(settings, clips) as speakers, pretended_gpu():
        model.to(choose_device("cuda"))
        drawn = draw_reactions(torch.arange(3), speakers, model, task, choose_device("cuda"))
    assert drawn["emotion"].shape == (3, 2, 750, 25)


def plant(module, name):
    """Give a module's forward a constant that stays on the processor."""
    forward = getattr(module, name)

    def changed(*arguments, **keywords):
        made = forward(*arguments, **keywords)
        return (made[0] + torch.zeros(3).sum(0, keepdim=True), *made[1:])

    setattr(module, name, changed)


def test_a_constant_on_the_processor_is_found(clips, tmp_path):
    settings = every_model.settings_of("regnn", "fixed", {})
    task = every_model.make_tasks(settings, clips)["generator"]
    plant(task.module.cognition, "forward")
    with pretended_gpu(), pytest.raises(FakeTensorDeviceMismatchError, match="cuda:0 and cpu"):
        train(task, settings, Kept(tmp_path, {}))


def test_reactions_of_a_model_that_mixes_devices_are_refused(clips):
    settings = every_model.settings_of("belfusion", "fixed", {})
    model = every_model.make_model(settings, every_model.make_tasks(settings, clips))
    constant = model.vae._buffers.pop("coefficient_mean")  # a tensor that `to` does not move
    model.vae.coefficient_mean = constant.clone()
    task = Sampling("belfusion", "train", samples=1, seed=0)
    with every_model.read_speakers(settings, clips) as speakers, pretended_gpu():
        model.to(choose_device("cuda"))
        with pytest.raises(FakeTensorDeviceMismatchError):
            draw_reactions(torch.arange(1), speakers, model, task, choose_device("cuda"))
