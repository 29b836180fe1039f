"""REGNN beyond its reference numbers: quirks and repairs, sampling, learning, official weights."""

import pytest
import torch
from helpers.official_export import export_regnn
from torch.nn import functional

from react24.errors import InputError
from react24.models.regnn import network as regnn
from react24.models.regnn.graph import EdgeLayer, InverseError, squash
from react24.models.regnn.official import NO_TENSORS, convert, load_official
from react24.models.regnn.perception import FusionTransformer
from react24.models.regnn.settings import read_settings
from react24.weights import names as official_keys
from react24.weights.official_files import read_official

SMALL = {
    "visual": "graphau",
    "network": {
        "width": 8, "heads": 2, "feedforward": 16, "layers": 1, "fused": 6,
        "edge_channels": 2, "components": 1,
    },
}  # fmt: skip


def small(variant="fixed", **changes):
    return read_settings({**SMALL, "variant": variant, **changes})


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def make(settings, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return regnn.RegnnNetwork.of(settings)


def trainable(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def some_batch(settings, windows=6, reactions=3, seed=0):
    """Speakers, reactions and which of these there are."""
    draw = seeded(seed)
    visual = torch.randn(windows, 50, settings.visual_width, generator=draw)
    sound = torch.randn(windows, 50, settings.sound_width, generator=draw)
    time = torch.arange(50).view(1, 1, 50, 1) / 25
    phase = 6 * torch.rand(windows, reactions, 1, 25, generator=draw)
    present = torch.arange(reactions) < torch.arange(windows).unsqueeze(1) % reactions + 1
    return visual, sound, 0.5 + 0.3 * torch.sin(2 * time + phase), present


# ---------------------------------------------------------------------------------------- network


def test_official_sizes_have_the_official_number_of_trained_parameters():
    network = regnn.RegnnNetwork.of(read_settings({}))
    assert trainable(network) == 2_233_171 - 52_034
    unused = [
        network.cognition.components,
        network.motor.rotation,
        network.perception.project_sound,
    ]
    assert not any(p.requires_grad for part in unused for p in part.parameters())


def test_sound_of_the_right_width_is_used_as_it_is():
    official, other = small(network={"width": 128, "layers": 1}), small(sound="wav2vec2")
    assert not make(official).perception.project_sound.weight.requires_grad
    assert make(other).perception.project_sound.weight.shape == (8, 768)
    for settings, gradient in ((official, False), (other, True)):
        network = make(settings)
        regnn.training_losses(network, *some_batch(settings), settings.generator).loss.backward()
        assert (network.perception.project_sound.weight.grad is not None) == gradient


def test_squash_is_the_sigmoid_of_elu():
    x = torch.linspace(-12, 12, 401, dtype=torch.float64, requires_grad=True)
    expected = torch.sigmoid(functional.elu(x))
    torch.testing.assert_close(squash(x), expected)
    wanted = torch.autograd.grad(expected.sum(), x)[0]
    torch.testing.assert_close(torch.autograd.grad(squash(x).sum(), x)[0], wanted)


def test_edges_of_each_node_or_of_all():
    strength = torch.rand(4, 25, 25, generator=seeded())
    masks = {}
    for kind in ("union", "own"):
        config = small(network={**SMALL["network"], "edge_mask": kind}).network
        masks[kind] = EdgeLayer(config).keep(strength)
    for window in range(4):
        best = [set(row.topk(5).indices.tolist()) for row in strength[window]]
        every = set().union(*best)
        for node in range(25):
            own = torch.nonzero(masks["own"][window, node]).flatten().tolist()
            union = torch.nonzero(masks["union"][window, node]).flatten().tolist()
            assert set(own) == best[node] | {node}
            assert set(union) == every | {node}


def test_a_first_channel_of_zero_takes_the_position_away_in_official_only():
    x = torch.randn(2, 50, 8, generator=seeded())
    x[1, 7, 0] = 0.0
    other = x.clone()
    other[1, 7, 0] = 1e-6
    for variant, differs in (("official", True), ("fixed", False)):
        transformer = FusionTransformer(small(variant).network).eval()
        moved = (transformer(x) - transformer(other)).abs().amax()
        assert (moved > 1e-3) == differs


def test_reactions_that_are_not_there_change_nothing():
    settings = small()
    network = make(settings)
    visual, sound, reactions, present = some_batch(settings)
    noisy = torch.where(present[:, :, None, None], reactions, torch.randn_like(reactions))
    found = []
    for values in (reactions, noisy):
        torch.manual_seed(0)
        network = make(settings)
        losses = regnn.training_losses(network, visual, sound, values, present, settings.generator)
        losses.loss.backward()
        found.append((losses.loss.item(), network.motor.layers[0].norm.shift.clone()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    assert torch.equal(found[0][1], found[1][1])


def test_actnorm_is_set_in_the_first_training_step_alone():
    settings = small()
    network = make(settings).eval()
    batch = some_batch(settings)
    regnn.training_losses(network, *batch, settings.generator)
    assert not network.motor.initialised
    network.train()
    regnn.training_losses(network, *batch, settings.generator)
    assert network.motor.initialised
    scale = network.motor.layers[1].norm.log_scale.clone()
    regnn.training_losses(network, *some_batch(settings, seed=9), settings.generator)
    assert torch.equal(network.motor.layers[1].norm.log_scale, scale)
    again = make(settings, seed=5)
    again.load_state_dict(network.state_dict())
    assert again.motor.initialised


def test_the_threshold_counts_in_training_only():
    settings = small(network={**SMALL["network"], "dropout": 0.0, "dropout_embedding": 0.0})
    network = make(settings).train()
    batch = some_batch(settings)
    before = regnn.training_losses(network, *batch, settings.generator)
    network.threshold.fill_(1e6)
    after = regnn.training_losses(network, *batch, settings.generator)
    assert before.distance > 0
    assert after.distance == 0
    torch.testing.assert_close(after.loss, after.spread)
    held_out = regnn.training_losses(network.eval(), *batch, settings.generator)
    torch.testing.assert_close(held_out.distance, before.distance)


def test_losses_and_gradients_in_mixed_precision():
    settings = small()
    batch = some_batch(settings)
    found = []
    for enabled in (False, True):
        torch.manual_seed(0)
        network = make(settings)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            losses = regnn.training_losses(network, *batch, settings.generator)
        losses.loss.backward()
        trained = [p for p in network.parameters() if p.requires_grad]
        assert all(p.grad.isfinite().all() for p in trained)
        found.append((losses.spread.item(), network.motor.layers[0].attention.lipschitz()))
    assert found[0][0] == pytest.approx(found[1][0], rel=0.02)
    assert found[0][1].dtype == torch.float32
    torch.testing.assert_close(found[0][1], found[1][1])


@pytest.mark.parametrize("variant", ["official", "fixed"])
def test_it_learns_a_batch(variant):
    settings = small(variant, network={**SMALL["network"], "dropout": 0.0})
    network = make(settings)
    batch = some_batch(settings)
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=0.01)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        terms = regnn.training_losses(network, *batch, settings.generator)
        terms.loss.backward()
        optimizer.step()
        losses.append(terms.loss.item())
    assert losses[-1] < 0.5 * losses[0]


# --------------------------------------------------------------------------------------- sampling


@pytest.fixture(scope="module", params=["official", "fixed"])
def model(request):
    settings = small(request.param)
    network = make(settings).train()
    regnn.training_losses(network, *some_batch(settings), settings.generator)
    return regnn.Regnn(network, settings)


def speakers(clips=3, frames=750):
    draw = seeded(4)
    return {
        "visual": torch.randn(clips, frames, 25, generator=draw),
        "sound": torch.randn(clips, frames, 128, generator=draw),
    }


def react(model, speaker, samples, first=0):
    noise = [seeded(first + i) for i in range(len(speaker["visual"]))]
    return model.react(speaker, samples, noise)


def test_shapes(model):
    reactions = react(model, speakers(), 4)
    assert reactions.emotion.shape == (3, 4, 750, 25)
    assert reactions.coefficients is None
    assert reactions.emotion.isfinite().all()


def test_a_reaction_depends_on_its_own_clip_and_noise_alone(model):
    whole = react(model, speakers(), 4).emotion
    alone = react(model, {k: v[1:2] for k, v in speakers().items()}, 4, first=1).emotion
    torch.testing.assert_close(whole[1:2], alone, rtol=1e-5, atol=1e-6)
    fewer = react(model, speakers(), 2).emotion
    torch.testing.assert_close(whole[:, :2], fewer, rtol=1e-5, atol=1e-6)
    assert (whole[:, 0] - whole[:, 1]).abs().max() > 1e-3
    assert (whole[0] - whole[1]).abs().max() > 1e-3


def test_iterations_stop_for_each_reaction_on_its_own(model):
    """However long the others go on: what has settled is not touched again."""
    draw = seeded(2)
    y = torch.randn(2, 3, 2, 25, 50, generator=draw)
    y[1] *= 40  # settles later or earlier than the others
    edges = make(small()).cognition.edges(torch.randn(6, 25, 50, generator=draw))
    motor, steps = model.network.motor, []
    both = motor.inverse(y, edges, iterations=50, tolerance=1e-4, steps=steps)
    for clip in range(2):
        part = slice(3 * clip, 3 * clip + 3)
        one = motor.inverse(y[clip : clip + 1], edges[part], iterations=50, tolerance=1e-4)
        torch.testing.assert_close(both[clip : clip + 1], one, rtol=1e-6, atol=1e-6)
    assert steps[0].shape == (2, 2)


def test_the_inverse_undoes_forward_and_says_when_it_cannot(model):
    draw = seeded(3)
    x = torch.randn(2, 3, 25, 50, generator=draw)
    edges = make(small()).cognition.edges(torch.randn(2, 25, 50, generator=draw))
    motor = model.network.motor
    y = motor(x, edges).detach().unsqueeze(1)  # two clips of one window each
    back = motor.inverse(y, edges, iterations=100, tolerance=1e-5).squeeze(1)
    torch.testing.assert_close(back, x, rtol=1e-3, atol=1e-3)
    with pytest.raises(InverseError, match=r"after 1 steps .* Raise sampling\.iterations"):
        motor.inverse(y, edges, iterations=1, tolerance=1e-7)


def test_limits_of_the_noise():
    settings = small()
    noise = torch.randn(2, 3, 29, 25, 50, generator=seeded())
    noise[1, 2] *= 0.01
    limit = settings.sampling.noise**0.5
    clip = regnn.limit_noise(noise, settings.sampling.replace(noise_limit="clip"))
    largest = clip.abs().amax((2, 3, 4))
    assert torch.allclose(largest[0], torch.tensor(limit))
    assert torch.equal(clip[1, 2], noise[1, 2])
    ratio = clip[0, 0] / noise[0, 0]
    assert ratio.max() == pytest.approx(ratio.min().item(), rel=1e-5)
    element = regnn.limit_noise(noise, settings.sampling)
    assert settings.sampling.noise_limit == "element"
    small_enough = noise.abs() <= limit
    assert torch.equal(element[small_enough], noise[small_enough])
    assert element.abs().max() == pytest.approx(limit)


def test_windows_cover_the_clip_and_means_are_taken():
    clip = torch.randn(2, 750, 25, generator=seeded())
    windows = regnn.cut_windows(clip, 50, 25)
    assert windows.shape == (2, 29, 50, 25)
    torch.testing.assert_close(regnn.join_windows(windows, 25), clip)
    thirds = regnn.cut_windows(clip, 50, 20)
    torch.testing.assert_close(regnn.join_windows(thirds, 20), clip)
    with pytest.raises(InputError, match="749 frames cannot be cut into windows of 50 every 25"):
        regnn.cut_windows(clip[:, :749], 50, 25)


def test_binarised_action_units():
    windows = 2 * torch.rand(2, 29, 50, 25, generator=seeded())
    made = regnn.binarise(windows, "units")
    assert torch.equal(made[..., 15:], windows[..., 15:])
    assert torch.equal(made[..., :15], (windows[..., :15] >= 1).float())
    assert regnn.binarise(windows, "none") is windows


def test_no_samples_are_refused(model):
    with pytest.raises(InputError, match="n_samples must be at least 1"):
        react(model, speakers(1), 0)


# --------------------------------------------------------------------------------------- loading


def test_load_gives_the_trained_model(model):
    again = regnn.load(model.settings.as_dict(), {"generator": model.network.state_dict()})
    expected = react(model, speakers(1), 2).emotion
    assert torch.equal(react(again, speakers(1), 2).emotion, expected)
    with pytest.raises(InputError, match="the weights of stage generator do not fit"):
        other = {**model.settings.as_dict(), "visual": "faceverse"}
        regnn.load(other, {"generator": model.network.state_dict()})


def test_official_tensors_go_there_and_back():
    network = make(read_settings({}))
    state = export_regnn(network)
    assert len(state) == 184
    assert state["motor_processor.Layers.0.attn_1.w"].shape == (1, 8)
    assert state["perceptual_processor.fuse_model.proj_v.weight"].shape == (128, 768, 1)
    again = load_official({f"module.{key}": value for key, value in state.items()})
    for key, value in export_regnn(again).items():
        assert torch.equal(value, state[key]), key
    assert again.motor.initialised
    assert not again.training
    lacking = {key: value for key, value in state.items() if key not in NO_TENSORS}
    load_official(lacking)
    del lacking["motor_processor.u"]
    with pytest.raises(InputError, match=r"not those of REGNN:\n  1 missing: motor_processor\.u"):
        load_official(lacking)


def test_official_files_are_converted(tmp_path):
    settings = read_settings({})
    state = export_regnn(make(settings, seed=3))
    torch.save(state, tmp_path / "mhp.pth")
    tensors = convert(settings.as_dict(), {"generator": read_official(tmp_path / "mhp.pth")})
    model = regnn.load(settings.as_dict(), tensors)
    expected = make(settings, seed=3).state_dict()
    expected["motor.initialised"] = torch.tensor(True)
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, expected[name]), name
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth: this is a state_dict of an unknown network"):
        convert(settings.as_dict(), {"generator": read_official(tmp_path / "other.pth")})
    shapes = official_keys.strip_module(state)
    shapes["motor_processor.u"] = torch.zeros(3, 3)
    torch.save(shapes, tmp_path / "shape.pth")
    with pytest.raises(InputError, match=r"shape\.pth: .*\n.*motor_processor.u: expected 50x50"):
        convert(settings.as_dict(), {"generator": read_official(tmp_path / "shape.pth")})
