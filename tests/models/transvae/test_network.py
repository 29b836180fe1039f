import pytest
import torch
from helpers.official_export import export_transvae
from torch.nn import functional

from react24.errors import InputError
from react24.models.transvae import encoder
from react24.models.transvae.encoder import PoolWithMoments, over_clip, over_windows, window_ends
from react24.models.transvae.network import TransVAE, diversity_loss, load, transvae_losses
from react24.models.transvae.official import load_official
from react24.models.transvae.settings import read_settings

SMALL = {"width": 16, "heads": 2, "feed_forward": 32, "window": 4, "frame_size": 16}


def settings(variant="official", **changes):
    return {"type": "transvae", "variant": variant, "transvae": {**SMALL, **changes}}


def network(variant="official", seed=0, **changes):
    torch.manual_seed(seed)
    return TransVAE(read_settings(settings(variant, **changes)).transvae).eval()


def speaker(frames=12, clips=2, seed=1):
    g = torch.Generator().manual_seed(seed)
    return {
        "frames": torch.randint(0, 256, (clips, frames, 3, 16, 16), generator=g, dtype=torch.uint8),
        "mfcc": torch.randn(clips, frames, 78, generator=g),
    }


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def reactions(model, frames=12, clips=2, n_samples=2):
    weights = {"transvae": model.state_dict()}
    resolved = read_settings({"transvae": vars(model.config)}).as_dict()
    given = speaker(frames, clips)
    return load(resolved, weights).react(given, n_samples, generators(*range(clips)))


ALL = pytest.mark.parametrize(
    ("variant", "online"),
    [("official", False), ("official", True), ("fixed", False), ("fixed", True)],
)


# What a reaction depends on


def test_offline_the_order_of_the_frames_matters_only_with_position_codes():
    given, order = speaker(), torch.randperm(12, generator=torch.Generator().manual_seed(2))
    for variant, same in (("official", True), ("fixed", False)):
        model = network(variant)
        noise = torch.zeros(1, 2, 16)
        with torch.no_grad():
            one = model(given["frames"], given["mfcc"], noise)
            other = model(given["frames"][:, order], given["mfcc"][:, order], noise)
        assert torch.allclose(one.emotion, other.emotion, atol=1e-5) is same


@pytest.mark.parametrize("variant", ["official", "fixed"])
@torch.no_grad()
def test_online_a_window_does_not_know_what_comes_after_it(variant):
    model, given = network(variant, online=True, evaluation_window=4), speaker()
    noise = torch.randn(3, 2, 16, generator=torch.Generator().manual_seed(0))
    whole = model(given["frames"], given["mfcc"], noise)
    changed = {name: part.clone() for name, part in given.items()}
    changed["frames"][:, 8:] = 255 - changed["frames"][:, 8:]
    changed["mfcc"][:, 8:] += 1
    other = model(changed["frames"], changed["mfcc"], noise)
    torch.testing.assert_close(whole.emotion[:, :8], other.emotion[:, :8])
    assert not torch.allclose(whole.emotion[:, 8:], other.emotion[:, 8:])


@torch.no_grad()
def test_online_the_own_past_matters():
    model, given = network(online=True, evaluation_window=4), speaker()
    noise = torch.zeros(3, 2, 16)
    one = model(given["frames"], given["mfcc"], noise)
    noise[0] += 1
    other = model(given["frames"], given["mfcc"], noise)
    assert not torch.allclose(one.coefficients[:, 8:], other.coefficients[:, 8:])
    assert not torch.allclose(one.mean[1:], other.mean[1:])


@pytest.mark.parametrize("variant", ["official", "fixed"])
def test_the_frames_after_the_last_whole_window(variant):
    model = network(variant, online=True, evaluation_window=4)
    model.coefficient_mean.fill_(3)
    made = reactions(model, frames=14)
    assert made.emotion.shape == (2, 2, 14, 25)
    if variant == "official":
        assert not made.emotion[:, :, 12:].any()
        assert (made.coefficients[:, :, 12:] == 3).all()
    else:
        assert (made.emotion[:, :, 12:] != 0).all()
    assert (made.emotion[:, :, :12] != 0).all()


def test_the_window_of_training_and_that_of_validation():
    official, fixed = (network(v, online=True, window=6) for v in ("official", "fixed"))
    assert (official.train().window, fixed.train().window) == (6, 6)
    assert (official.eval().window, fixed.eval().window) == (8, 6)
    assert network().window is None
    assert official.draws(20) == 2
    assert fixed.draws(20) == 4


# Sampling


@ALL
def test_samples_differ_and_do_not_depend_on_what_is_beside_them(variant, online):
    model = network(variant, online=online, evaluation_window=4)
    made = reactions(model, n_samples=3)
    assert made.emotion.shape == (2, 3, 12, 25)
    assert made.coefficients.shape == (2, 3, 12, 58)
    assert (made.emotion[:, 0] - made.emotion[:, 1]).abs().amax() > 1e-3
    one = reactions(model, clips=2, n_samples=1)
    torch.testing.assert_close(one.emotion, made.emotion[:, :1], rtol=1e-4, atol=1e-5)
    given = {name: part[1:] for name, part in speaker().items()}
    alone = load(settings(variant, online=online, evaluation_window=4),
                 {"transvae": model.state_dict()}).react(given, 3, generators(1))  # fmt: skip
    torch.testing.assert_close(alone.emotion[0], made.emotion[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alone.coefficients[0], made.coefficients[1], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_several_draws_are_those_drawn_one_by_one():
    model, given = network(online=True, evaluation_window=4), speaker()
    features = model.encode(given["frames"], given["mfcc"])
    noise = torch.randn(3, 6, 16, generator=torch.Generator().manual_seed(0))
    whole = model.write(features, noise, 12)
    for number in range(3):
        part = model.write(features, noise[:, number::3], 12)
        torch.testing.assert_close(part.emotion, whole.emotion[number::3], rtol=1e-4, atol=1e-5)


def test_coefficients_come_in_native_units():
    model = network("fixed")
    mean, std = torch.linspace(-1, 1, 58), torch.linspace(0, 2, 58)  # the first does not move
    model.set_statistics(torch.full((25,), 0.5), mean, std)
    native = mean + 2 * std
    torch.testing.assert_close(model.to_units(native)[1:], torch.full((57,), 2.0))
    torch.testing.assert_close(model.from_units(model.to_units(native)), native)
    assert (model.emotion_variance == 0.25).all()
    torch.testing.assert_close(model.coefficient_variance, torch.tensor([0.0] + 57 * [1.0]))
    official = network()
    official.set_statistics(torch.full((25,), 0.5), mean, std)
    torch.testing.assert_close(official.to_units(native), 2 * std)


# The encoder


@torch.no_grad()
def test_bytes_are_pictures_between_minus_one_and_one(monkeypatch):
    model, given = network(), speaker()
    values = given["frames"].float() / 255
    expected = model.encode((values - 0.5) / 0.5, given["mfcc"])[0]
    found = model.encode(given["frames"], given["mfcc"])[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(encoder, "CHUNK", 5)
    in_parts = model.encode(given["frames"], given["mfcc"])[0]
    torch.testing.assert_close(in_parts, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_running_features_never_change_and_start_like_the_others():
    given, window = speaker(), 5
    running, prefix = (network("fixed", online=True, norm_statistics=s).encoder
                       for s in ("running", "prefix"))  # fmt: skip
    found = running(given["frames"], given["mfcc"], window)
    assert [part.shape[1] for part in found] == [5, 10, 12]
    torch.testing.assert_close(found[0], found[2][:, :5])
    assert not torch.allclose(*(p[:, :5] for p in prefix(*given.values(), window)[:2]), atol=1e-3)
    torch.testing.assert_close(found[0], prefix(*given.values(), window)[0], rtol=1e-4, atol=1e-5)
    shorter = running(given["frames"][:, :10], given["mfcc"][:, :10], window)
    torch.testing.assert_close(shorter[1], found[1])
    offline = running(given["frames"], given["mfcc"], None)
    torch.testing.assert_close(offline, prefix(given["frames"], given["mfcc"], None))


def test_pooling_before_normalising_changes_neither_values_nor_gradients():
    x = torch.randn(3, 4, 11, 11, generator=torch.Generator().manual_seed(0)) + 0.7
    weight = torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(1))
    one, other = (x.clone().requires_grad_() for _ in range(2))
    expected = functional.max_pool2d(encoder.normalise_clip(one).relu(), 3, 2)
    pooled, *moments = PoolWithMoments.apply(other)
    mean, variance = over_clip(*moments)
    scale = torch.rsqrt(variance + 1e-5)[..., None, None]
    found = ((pooled - mean[..., None, None]) * scale).relu()
    torch.testing.assert_close(found, expected)
    (expected * weight).sum().backward()
    (found * weight).sum().backward()
    torch.testing.assert_close(other.grad, one.grad, rtol=1e-4, atol=1e-5)


def test_statistics_over_windows_are_those_of_all_frames_so_far():
    x = torch.randn(7, 2, 3, 3, generator=torch.Generator().manual_seed(0)) * 2 + 5
    variance, mean = torch.var_mean(x, (2, 3), correction=0)
    found = over_windows(mean, variance, 3)
    assert window_ends(7, 3) == [3, 6, 7]
    for frame, end in zip(range(7), [3, 3, 3, 6, 6, 6, 7], strict=True):
        expected = torch.var_mean(x[:end], (0, 2, 3), correction=0)
        torch.testing.assert_close(found[0][frame], expected[1])
        torch.testing.assert_close(found[1][frame], expected[0])


# Losses


def test_the_diversity_of_a_clip_and_that_of_the_spread():
    one, other = torch.zeros(2, 4, 5), torch.zeros(2, 4, 5)
    other[1] = 1.0  # squared distance 20, mean squared difference 1
    official, fixed = network().config, network("fixed").config
    variance = torch.tensor([1.0, 0.5, 1.5, 1.0, 1.0])
    expected = (1 + torch.exp(torch.tensor(-0.2))) / 2
    torch.testing.assert_close(diversity_loss(one, other, variance, official), expected)
    found = diversity_loss(one, other, variance, fixed)
    torch.testing.assert_close(found, torch.tensor((1 + 0.5) / 2))
    assert diversity_loss(one, one + 9, variance, fixed) == 0


def test_the_loss_is_the_weighted_sum():
    model, given = network(weight_emotion=2.0, weight_kld=0.5, weight_diversity=3.0), speaker()
    noise = torch.zeros(1, 2, 16)
    with torch.no_grad():
        made = model(given["frames"], given["mfcc"], noise)
        other = model(given["frames"], given["mfcc"], noise + 1)
    found = transvae_losses(made, made.emotion + 1, made.coefficients + 2, model, other)
    assert found.emotion.item() == pytest.approx(1)
    assert found.expression.item() == pytest.approx(4)
    assert found.pose.item() == pytest.approx(4)
    normal = torch.distributions.Normal
    posterior = normal(made.mean, (0.5 * made.log_variance).exp())
    kld = torch.distributions.kl_divergence(posterior, normal(0.0, 1.0)).mean()
    torch.testing.assert_close(found.kld, kld)
    expected = 2 * 1 + 4 + 10 * 4 + 0.5 * found.kld + 3 * found.diversity
    torch.testing.assert_close(found.loss, expected)


def test_errors_as_shares_of_the_variance():
    model, given = network("fixed", weight_kld=0.0), speaker()
    model.emotion_variance.fill_(0.5)
    model.coefficient_variance[:52] = 2.0
    model.coefficient_variance[52:] = 4.0
    with torch.no_grad():
        made = model(given["frames"], given["mfcc"], torch.zeros(1, 2, 16))
    found = transvae_losses(made, made.emotion + 1, made.coefficients + 2, model)
    for name, expected in (("emotion", 2), ("expression", 2), ("pose", 1), ("loss", 5)):
        assert getattr(found, name).item() == pytest.approx(expected), name


# What is refused


def test_wrong_speakers_are_refused():
    model, given = network(online=True, evaluation_window=16), speaker()
    with pytest.raises(InputError, match="12 frames is shorter than a window of 16"):
        model.encode(given["frames"], given["mfcc"])
    with pytest.raises(InputError, match="do not have the same clips and frames"):
        network().encode(given["frames"], given["mfcc"][:, 1:])
    with pytest.raises(InputError, match="at least 1"):
        reactions(network(), n_samples=0)


def test_weights_of_other_settings_are_refused():
    with pytest.raises(InputError, match="stage transvae do not fit"):
        load(settings(online=True), {"transvae": network().state_dict()})


@pytest.mark.parametrize("online", [False, True])
def test_official_weights_go_out_and_in(online):
    model = network(online=online)
    state = {f"module.{key}": value for key, value in export_transvae(model).items()}
    state["module.reaction_decoder.PE.pe"] = torch.zeros(5000, 1, 16)
    if not online:
        state["module.fusion.weight"] = torch.zeros(16, 99)
        state["module.fusion.bias"] = torch.zeros(16)
    again = load_official(state, model.config, coefficient_mean=torch.arange(58.0))
    for name, value in model.named_parameters():
        assert torch.equal(value, again.get_parameter(name)), name
    assert torch.equal(again.coefficient_mean, torch.arange(58.0))
    del state["module.reaction_decoder.vae_model.mu_token"]
    with pytest.raises(InputError, match=r"line Trans-VAE:(?s:.*)1 missing: .*mu_token"):
        load_official(state, model.config)
