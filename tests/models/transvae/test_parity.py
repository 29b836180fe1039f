"""Trans-VAE reproduces the numbers of the official implementation."""

import numpy as np
import pytest
import torch
from helpers.official_export import export_transvae
from parity import recipes

from react24.models.transvae.decoder import attend
from react24.models.transvae.network import (
    TransVAE,
    TransVAEOutput,
    diversity_loss,
    transvae_losses,
)
from react24.models.transvae.official import load_official, official_names
from react24.models.transvae.settings import VARIANTS, TransVAEConfig

NETWORK = 2e-5
GRADIENT = 1e-3
ONLINE = pytest.mark.parametrize("online", [False, True], ids=["offline", "online"])


def official_config(online, **changes):
    return TransVAEConfig(online=online, **{**VARIANTS["official"]["transvae"], **changes})


def state(online):
    shapes = {k: v.shape for k, v in export_transvae(TransVAE(official_config(online))).items()}
    return {k: torch.from_numpy(v) for k, v in recipes.weights(shapes).items()}


class Case:
    """The network with reference weights, its inputs and the reference values."""

    def __init__(self, online):
        self.name = "transvae_online" if online else "transvae_offline"
        self.reference = recipes.read(self.name)
        self.model = load_official(state(online), official_config(online, weight_kld=2e-4))
        frames = self.reference["out_emotion"].shape[1]
        self.video = self.input("video", recipes.symmetric_input, (2, frames, 3, 32, 32))
        self.audio = self.input("audio", recipes.normal_input, (2, frames, 78), 3.0)
        self.face = self.input("gt_3dmm", recipes.normal_input, (2, frames, 58), 0.5)
        self.emotion = self.input("gt_emotion", recipes.uniform_input, (2, frames, 25))

    def input(self, name, recipe, *arguments):
        return torch.from_numpy(recipe(f"{self.name}/public/{name}", *arguments))

    def run(self, video=None, audio=None):
        """The output with the latent at its mean."""
        video, audio = (self.video, self.audio) if video is None else (video, audio)
        noise = torch.zeros(self.model.draws(video.shape[1]), len(video), 128)
        return self.model(video, audio, noise)

    def check(self, output, prefix="out_"):
        std = torch.exp(0.5 * output.log_variance)
        found = {
            "coeff_3dmm": output.coefficients,
            "emotion": output.emotion,
            "mu": output.mean,
            "std": std,
        }
        for name, value in found.items():
            error = recipes.error(value.detach(), self.reference[prefix + name])
            assert error < NETWORK, (prefix + name, error)


@pytest.fixture
def case(online):
    return Case(online)


@ONLINE
def test_recipe_draws_the_reference_weights(online, case):
    weights, reference = state(online), case.reference
    keys = [str(key) for key in reference["key_names"]]
    unused = {"fusion.weight", "fusion.bias"} if not online else set()
    assert set(keys) == set(weights) | unused
    for key, total in zip(keys, reference["key_sums"], strict=True):
        if key in weights:
            found = float(weights[key].double().sum())
            np.testing.assert_allclose(found, total, rtol=1e-5, atol=1e-5)


@ONLINE
@torch.no_grad()
def test_forward(online, case):
    case.check(case.run())


@ONLINE
@torch.no_grad()
def test_features_of_the_speaker(online, case):
    encoder = case.model.encoder
    maps = torch.stack([encoder._maps(clip, None)[0] for clip in case.video])
    assert recipes.error(maps.transpose(1, 2), case.reference["out_video_conv"]) < NETWORK
    (features,) = encoder(case.video, case.audio)
    assert recipes.error(features, case.reference["out_speaker_feature"]) < NETWORK


@torch.no_grad()
def test_pictures_of_224_pixels():
    case = Case(online=False)
    video = case.input("video224", recipes.symmetric_input, (1, 3, 3, 224, 224))
    audio = case.input("audio224", recipes.normal_input, (1, 3, 78), 3.0)
    case.check(case.run(video, audio), "out_big_")


@torch.no_grad()
def test_windows_of_16_frames():
    case = Case(online=True)
    case.model.config = case.model.config.replace(evaluation_window=16)
    video = case.input("video16", recipes.symmetric_input, (1, 32, 3, 32, 32))
    audio = case.input("audio16", recipes.normal_input, (1, 32, 78), 3.0)
    case.check(case.run(video, audio), "out_window16_")


@ONLINE
@torch.no_grad()
def test_losses(online, case):
    output, reference = case.run(), case.reference
    for weight in ("0.0002", "1e-05"):
        case.model.config = case.model.config.replace(weight_kld=float(weight))
        found = transvae_losses(output, case.emotion, case.face, case.model)
        reconstruction = found.emotion + found.expression + 10 * found.pose
        np.testing.assert_allclose(
            torch.stack([found.loss, reconstruction, found.kld]),
            reference[f"out_loss_klp_{weight}"],
            rtol=1e-5,
        )
    other = [torch.from_numpy(reference[f"in_div_{n}_2"]) for n in ("3dmm", "emotion")]
    pairs = zip((output.coefficients, output.emotion), other, strict=True)
    diversity = [diversity_loss(*pair, torch.ones(1), case.model.config) for pair in pairs]
    np.testing.assert_allclose(
        torch.stack(diversity), reference["out_div_loss_3dmm_emotion"], rtol=1e-5
    )
    weighted = transvae_losses(
        output, case.emotion, case.face, case.model,
        TransVAEOutput(other[1], other[0], output.mean, output.log_variance),
    )  # fmt: skip
    assert weighted.loss.item() == pytest.approx(found.loss.item() + 10 * sum(diversity).item())


@ONLINE
def test_gradients(online, case):
    transvae_losses(case.run(), case.emotion, case.face, case.model).loss.backward()
    names, parameters = official_names(online), dict(case.model.named_parameters())
    reference = case.reference
    norms = zip(reference["out_grad_names"], reference["out_grad_norms"], strict=True)
    for key, expected in ((str(key), norm) for key, norm in norms):
        if key.startswith("fusion.") and not online:
            assert expected == -1  # the official layer is not used offline: no gradient
            continue
        found = parameters[names[key]].grad.double().norm().item()
        assert found == pytest.approx(expected, rel=GRADIENT), key


@ONLINE
def test_the_official_bias_is_a_plain_causal_mask(online, case):
    """What we compute without a mask tensor is attention under the official one."""
    mask = case.reference["out_biased_mask_head0_and_3_first5"]
    assert case.reference["out_biased_mask_distinct_finite_values"] == [0]
    attention = case.model.writer.layer1.self_attention
    tokens = torch.randn(2, 5, 128, generator=torch.Generator().manual_seed(0))
    for head in mask:
        expected, _ = attention(tokens, tokens, tokens, attn_mask=torch.from_numpy(head))
        found = attend(attention, tokens, tokens, causal=True)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
