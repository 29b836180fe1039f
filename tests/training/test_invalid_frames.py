"""What nobody saw is no target: losses and units of the models."""

import numpy as np
import pytest
import torch
from helpers import clips_factory

from react24 import models as registry
from react24.contracts import entry_points
from react24.contracts.task import StageContext
from react24.models.learning2listen.motion import measure, measure_valid
from react24.models.transvae.network import TransVAE, TransVAEOutput, transvae_losses
from react24.models.transvae.settings import read_settings
from react24.training.dataset import ClipDataset, stored_arrays
from react24.training.validity import mean_error, usable, within_usable

PAIRS = 2
WIDTHS = {"graphau": 25, "faceverse": 58, "vggish": 128}
SETTINGS = {
    "belfusion": {
        "vae": {"hidden": 8, "latent": 8, "read_out": [8], "coefficient_hidden": 8},
        "ldm": {"hidden": 16, "layers": 2, "draws": 2},
    },
    "tranvae": {
        "codebook": {
            "codes": 8, "hidden": 16, "layers": 1, "heads": 2, "mlp": 16,
            "tokens": "time_steps", "statistics": "plain",
        },
        "emotion": {"hidden": 8, "steps": 3},
        "predictor": {
            "hidden": 20, "layers": 1, "cross_layers": 1, "heads": 2, "mlp": 16,
            "statistics": "plain",
        },
    },
    "regnn": {
        "visual": "graphau",
        "network": {
            "width": 8, "heads": 2, "feedforward": 8, "layers": 1, "fused": 4,
            "edge_channels": 2, "components": 1,
        },
        "generator": {"neighbours": 3, "batch_size": 24},
    },
}  # fmt: skip
SETTINGS["tranvae"]["sound"] = "vggish"

TARGETS = {
    ("belfusion", "vae"): ("emotion", "coefficients"),
    ("belfusion", "ldm"): ("listener",),
    ("tranvae", "codebook"): ("motion",),
    ("tranvae", "predictor"): ("motion",),
}
"""Model and stage -> the tensors of a batch that its loss is held against."""


def some_validity():
    """Row 1 is invalid throughout, row 2 from frame 200 to 500."""
    valid = np.ones((2 * PAIRS, 750), bool)
    valid[1] = False
    valid[2, 200:500] = False
    return valid


def write_split(folder, valid, garbage=None, seed=0):
    """Stream -> clips file; what is invalid holds ``garbage``, or what it would be anyway."""
    paths = {}
    for stream, width in WIDTHS.items():
        values = clips_factory.behaviour(PAIRS, width, seed)
        if garbage is not None and stream != "vggish":
            values[~valid] = garbage
        own = valid if stream != "vggish" else None
        path = folder / stream / "train.h5"
        paths[stream] = clips_factory.write_clips(path, values, stream=stream, valid=own)
    matrix = np.ones((2 * PAIRS, 2 * PAIRS))
    paths["appropriate"] = clips_factory.write_appropriate(folder / "m.h5", matrix)
    return paths


def make_task(paths, model, stage, variant="fixed", needed=None, top=(), **section):
    kind = registry.get(model)
    values = {"type": model, "variant": variant, **SETTINGS[model], **dict(top)}
    values[stage] = {**values[stage], **section}
    settings = kind.read_settings(values, model)
    reads = kind.stage_inputs(settings, stage)
    clips = ClipDataset(
        stored_arrays(paths, reads.clips),
        appropriate=paths["appropriate"] if reads.appropriate else None,
    )
    context = StageContext(stage, settings, clips, None, needed=needed or {}, seed=0)
    return entry_points.resolve(kind.stage(stage).task)(context)


def needs(paths, model, stage):
    first = {"ldm": "vae", "predictor": "codebook"}.get(stage)
    if first is None:
        return {}
    return {first: make_task(paths, model, first).module.state_dict()}


def loss_and_gradients(task, batch):
    task.module.zero_grad(set_to_none=True)
    task.to(torch.device("cpu"))
    torch.manual_seed(0)
    loss = task.loss(batch, torch.Generator().manual_seed(3))["loss"]
    loss.backward()
    found = {n: p.grad.clone() for n, p in task.module.named_parameters() if p.grad is not None}
    return loss.item(), found


def fill(batch, names, value):
    """The batch with what is invalid in its targets, by whole items or frames, replaced."""
    changed = dict(batch)
    for name in names:
        mask = batch["coefficients_valid" if name == "coefficients" else "valid"]
        tensor = batch[name].clone()
        if name in ("motion", "listener"):  # windows that are mostly valid see what they hold
            mask = mask | mask.any(1, keepdim=True)
        if mask.shape[1] < tensor.shape[1]:  # of the second window alone
            mask = torch.cat([torch.ones_like(mask), mask], dim=1)
        noise = value * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(0))
        changed[name] = torch.where(mask.unsqueeze(-1), tensor, noise)
    return changed


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write_split(tmp_path_factory.mktemp("clips"), some_validity())


@pytest.mark.parametrize(("model", "stage"), TARGETS)
def test_garbage_that_is_not_valid_changes_neither_loss_nor_gradient(paths, model, stage):
    task = make_task(paths, model, stage, needed=needs(paths, model, stage))
    task.module.train()
    batches = [task.make_batch(0, 0, torch.Generator().manual_seed(s)) for s in range(4)]
    names = TARGETS[model, stage]
    batch = next(b for b in batches if not b["valid"].any(1).all())
    loss, gradients = loss_and_gradients(task, batch)
    other, others = loss_and_gradients(task, fill(batch, names, 300.0))
    assert loss > 0
    assert loss == other
    assert all(torch.equal(gradients[n], others[n]) for n in gradients)
    assert any(g.abs().sum() > 0 for g in gradients.values())


@pytest.mark.parametrize(("model", "stage"), TARGETS)
def test_with_the_switch_off_it_does(paths, model, stage):
    masked = make_task(paths, model, stage, needed=needs(paths, model, stage))
    task = make_task(paths, model, stage, needed=needs(paths, model, stage), mask_invalid=False)
    batches = [masked.make_batch(0, 0, torch.Generator().manual_seed(s)) for s in range(4)]
    batch = next(b for b in batches if not b["valid"].any(1).all())
    names = TARGETS[model, stage]
    filled = [batch, fill(batch, names, 300.0)]
    plain = [{k: v for k, v in b.items() if "valid" not in k} for b in filled]
    losses = [loss_and_gradients(task, b)[0] for b in plain]
    assert losses[0] != losses[1]
    assert not [n for n in task.make_batch(0, 0, torch.Generator()) if "valid" in n]


@pytest.mark.parametrize(("model", "stage"), [*TARGETS, ("regnn", "generator")])
def test_official_variants_take_part_with_every_frame(model, stage):
    kind = registry.get(model)
    values = {"type": model, **SETTINGS[model]}
    for variant, expected in (("official", False), ("fixed", True)):
        checked = kind.read_settings({**values, "variant": variant}, model)
        assert checked[stage]["mask_invalid"] is expected


def test_reactions_that_nobody_saw_are_not_among_those_of_regnn(tmp_path):
    valid = some_validity()
    tasks = [
        make_task(write_split(tmp_path / str(k), valid, garbage), "regnn", "generator")
        for k, garbage in enumerate((0.5, 300.0))
    ]
    for task in tasks:
        task.module.load_state_dict(tasks[0].module.state_dict())
    batches = [t.make_batch(0, 0, torch.Generator().manual_seed(2)) for t in tasks]
    present = batches[0]["present"]
    assert not present.all()
    assert torch.equal(present, batches[1]["present"])
    kept = [b["reactions"][b["present"]] for b in batches]
    # Only windows that are mostly valid are left; whatever else they hold, row 1 is not in it.
    share = [
        (part == garbage).all(-1).float().mean(1)
        for part, garbage in zip(kept, (0.5, 300), strict=True)
    ]
    assert all((s <= 0.5).all() for s in share)
    # The speaker's stream is the same for both, so that only the reactions differ.
    batches[1] = {**batches[0], "reactions": batches[0]["reactions"].clone()}
    batches[1]["reactions"][~present] = 300.0
    first, second = (loss_and_gradients(tasks[0], b) for b in batches)
    assert first[0] == second[0]
    assert all(torch.allclose(first[1][n], second[1][n], rtol=0, atol=1e-7) for n in first[1])


def test_a_window_without_any_reaction_is_left_out_of_regnns_loss():
    from react24.models.regnn.network import distance_loss, spread_loss

    points = torch.zeros(2, 25, 50, requires_grad=True)
    reactions = torch.stack([torch.full((3, 25, 50), 2.0), torch.full((3, 25, 50), 9.0)])
    present = torch.tensor([[True, False, True], [False, False, False]])
    for over in ("nearest", "all"):
        loss = distance_loss(points, reactions, present, -1.0, over)
        assert loss.item() == 4.0
        (gradient,) = torch.autograd.grad(loss, points)
        assert gradient[0].abs().sum() > 0
        assert not gradient[1].any()
        assert distance_loss(points, reactions, present & False, -1.0, over).item() == 0.0
    assert spread_loss(reactions, present).item() == 0.0


def test_split_without_invalid_frames_has_no_masks(tmp_path):
    paths = write_split(tmp_path, np.ones((2 * PAIRS, 750), bool))
    for model, stage in TARGETS:
        task = make_task(paths, model, stage, needed=needs(paths, model, stage))
        assert not [n for n in task.make_batch(0, 0, torch.Generator()) if "valid" in n]


def test_units_do_not_see_what_is_invalid(tmp_path):
    tasks = []
    for k, garbage in enumerate((0.5, 300.0)):
        paths = write_split(tmp_path / str(k), some_validity(), garbage)
        task = make_task(paths, "tranvae", "codebook", top={"smooth": False}, restart=False)
        vae = make_task(paths, "belfusion", "vae")
        vae.module.load_state_dict(
            tasks[0][1].module.state_dict() if k else vae.module.state_dict()
        )
        vae.finish()
        tasks.append((task, vae))
    (first, one), (second, two) = tasks
    for name in ("mean", "std"):
        assert torch.equal(getattr(first.module.units, name), getattr(second.module.units, name))
    for name in ("code_minimum", "code_maximum", "code_mean", "code_std"):
        assert torch.equal(getattr(one.module, name), getattr(two.module, name)), name


def test_measured_units_are_those_of_the_valid_frames():
    values = torch.randn(5, 64, 3, generator=torch.Generator().manual_seed(0)) * 2 + 7
    valid = torch.rand(5, 64, generator=torch.Generator().manual_seed(1)) < 0.6
    valid[3] = False
    noisy = values.masked_fill(~valid.unsqueeze(-1), 1e6)
    found = measure_valid([(noisy[:2], valid[:2]), (noisy[2:], valid[2:])])
    good = values[valid].double()
    torch.testing.assert_close(found.mean, good.mean(0))
    torch.testing.assert_close(found.std, good.std(0, correction=0))
    everywhere = measure_valid([(values, torch.ones(5, 64, dtype=torch.bool))])
    plain = measure([values], "plain")
    torch.testing.assert_close(everywhere.std, plain.std)


@pytest.mark.parametrize("errors", ["native", "variance"])
def test_transvae_compares_valid_frames_only(errors):
    section = {"width": 16, "heads": 2, "feed_forward": 16, "clip_length": 20}
    settings = {"variant": "fixed", "transvae": {**section, "error_units": errors}}
    model = TransVAE(read_settings(settings).transvae)
    valid = torch.ones(2, 20, dtype=torch.bool)
    valid[0, 5:] = False
    face_valid = torch.ones(2, 20, dtype=torch.bool)
    face_valid[1, :3] = False

    def losses(garbage, masks):
        draw = torch.Generator().manual_seed(0)
        shapes = ((2, 20, 25), (2, 20, 58), (1, 2, 16), (1, 2, 16))
        output = TransVAEOutput(
            *(torch.randn(s, generator=draw).requires_grad_(True) for s in shapes)
        )
        emotion, face = (torch.randn(s, generator=draw) for s in shapes[:2])
        emotion[~valid], face[~face_valid] = garbage, garbage
        found = transvae_losses(output, emotion, face, model, None, *masks)
        found.loss.backward()
        return found, output.emotion.grad, output.coefficients.grad

    first, second = (losses(g, (valid, face_valid)) for g in (0.0, 500.0))
    assert first[0].loss.item() == second[0].loss.item()
    assert torch.equal(first[1], second[1])
    assert torch.equal(first[2], second[2])
    assert not first[1][~valid].any()
    assert losses(0.0, (None, None))[0].loss.item() != losses(500.0, (None, None))[0].loss.item()
    whole = torch.ones(2, 20, dtype=torch.bool)
    plain, masked = losses(0.0, (None, None))[0], losses(0.0, (whole, whole))[0]
    torch.testing.assert_close(plain.loss, masked.loss)


def test_masked_means_by_hand():
    error = torch.tensor([[[1.0, 3.0], [5.0, 7.0], [100.0, 100.0]]])
    valid = torch.tensor([[True, True, False]])
    assert mean_error(error, valid).item() == 4.0
    assert mean_error(error, valid & False).item() == 0.0
    frames, windows = within_usable(torch.tensor([[1, 1, 0, 0, 0, 1, 1, 0, 0]]).bool(), 3)
    assert windows.tolist() == [[True, False, False]]
    assert frames.tolist() == [[True, True] + [False] * 7]
    assert usable(torch.tensor([[True, False], [False, False]])).tolist() == [True, False]
