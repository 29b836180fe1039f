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


WAITS = {"training/loop.py:_train_step number"}
"""Whether the gradients are finite before they are clipped."""

NEEDED_WAITS = {
    # How many codes are hidden decides whether anything is masked.
    ("tranvae", "predictor"): ["models/learning2listen/tasks.py:_shared number"],
    # Windows in which nobody was seen are left out.
    ("tranvae", "codebook"): [
        "models/learning2listen/tasks.py:loss number",
        "models/learning2listen/tasks.py:loss mask",
    ],
    # Whether the first batch has set the norms.
    ("regnn", "generator"): ["models/regnn/network.py:training_losses number"],
}
"""Type and stage -> where a training step waits for the GPU; a new wait needs a reason here."""


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


class Watched(_Run):
    """Tells the waits of its training steps from those between them."""

    def __init__(self, *arguments, gpu):
        super().__init__(*arguments)
        self.gpu, self.waits = gpu, set()

    def _train_step(self, batches):
        before = len(self.gpu.waits)
        terms = super()._train_step(batches)
        self.waits |= set(self.gpu.waits[before:])
        return terms


def train(task, settings, kept, gpu, **options):
    """Two epochs of a stage through the loop and the engine as they are."""
    loop = read_loop_settings({**settings["training"], **options}, epochs=2)
    engine = open_engine("cuda", precision=loop.precision)
    assert engine.device.type == "cuda"
    run = Watched(task, loop, kept, 0, engine, gpu=gpu)
    began = run.resume()
    run.to_the_end(None, "training")
    run.keep()
    task.finish()
    assert on_the_gpu(list(task.module.state_dict().values()))
    return run, began


@KINDS
def test_every_stage_trains(kind, variant, more, clips, tmp_path):
    settings = every_model.settings_of(kind, variant, more)
    for task in every_model.make_tasks(settings, clips).values():
        with pretended_gpu() as gpu:
            run, _ = train(task, settings, Kept(tmp_path, {}), gpu, **ALL_OPTIONS)
        assert run.step == run.total > 0
        assert len(run.history.val["loss"]) == 2
        assert run.waits <= WAITS | set(NEEDED_WAITS.get((kind, task.stage), ()))


def test_a_training_is_resumed(clips, tmp_path):
    settings = every_model.settings_of("belfusion", "fixed", {})
    first, second = (every_model.make_tasks(settings, clips)["vae"] for _ in range(2))
    kept = Kept(tmp_path, {})
    with pretended_gpu() as gpu:
        run, _ = train(first, settings, kept, gpu, **ALL_OPTIONS, max_steps=1)
        assert run.step == 1
        run, began = train(second, settings, kept, gpu, **ALL_OPTIONS)
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
    with pretended_gpu() as gpu, pytest.raises(FakeTensorDeviceMismatchError, match="and cpu"):
        train(task, settings, Kept(tmp_path, {}), gpu)


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
