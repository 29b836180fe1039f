"""BeLFusion reproduces the numbers of the official implementation."""

import numpy as np
import pytest
import torch
from helpers.official_export import export_ldm, export_vae
from parity import recipes

from react24.models.belfusion import denoiser
from react24.models.belfusion import diffusion as belfusion
from react24.models.belfusion.settings import LDMConfig, VAEConfig
from react24.models.belfusion.vae import (
    OFFICIAL_VAE,
    BehaviourVAE,
    cut_windows,
    load_official_vae,
    vae_losses,
)

NETWORK = 2e-5
GRADIENT = 1e-3


def tensors(arrays):
    return {k: torch.from_numpy(v) for k, v in arrays.items() if v.dtype.kind in "fi"}


def drawn_state(official):
    """Reference weights for the keys of an exported official state."""
    shapes = {k: v.shape for k, v in official.items() if ".cond_layers." not in k}
    return {k: torch.from_numpy(v) for k, v in recipes.weights(shapes).items()}


def vae_state():
    return drawn_state(export_vae(BehaviourVAE(VAEConfig(code="state")))[0])


@pytest.fixture(scope="module")
def ldm_state():
    return drawn_state(export_ldm(denoiser.LatentDiffusion(LDMConfig())))


def stacked(losses):
    return torch.stack([getattr(losses, name) for name in losses.__dataclass_fields__]).detach()


def gradient_error(module, names, reference):
    parameters = dict(module.named_parameters())
    norms = [
        parameters[names[str(key)]].grad.double().norm().item()
        for key in reference["out_grad_names"]
    ]
    return np.max(np.abs(norms / reference["out_grad_norms"] - 1))


@pytest.mark.parametrize("name", ["belfusion_vae", "belfusion_ldm"])
def test_recipe_draws_the_reference_weights(name, ldm_state):
    reference = recipes.read(name)
    state = vae_state() if name == "belfusion_vae" else ldm_state
    assert sorted(reference["key_names"]) == sorted(state)
    sums = [float(state[str(key)].double().sum()) for key in reference["key_names"]]
    np.testing.assert_allclose(sums, reference["key_sums"], rtol=1e-5, atol=1e-5)


class TestVAE:
    @pytest.fixture
    def reference(self):
        return recipes.read("belfusion_vae")

    @pytest.fixture
    def vae(self):
        return load_official_vae(vae_state())

    def test_forward_in_eval_mode(self, vae, reference):
        out = vae(torch.from_numpy(reference["in_emotion"]))
        found = {
            "prediction": out.emotion,
            "coefficients_3dmm": out.coefficients[:, ::5],
            "mu": out.mean,
            "logvar": out.log_variance,
        }
        for name, value in found.items():
            assert recipes.error(value.detach(), reference[f"out_{name}"]) < NETWORK, name

    @torch.no_grad()
    def test_encode_and_decode(self, vae, reference):
        emotion = torch.from_numpy(reference["in_emotion"])
        windows = cut_windows(emotion, 50)
        z = torch.from_numpy(recipes.normal_input("belfusion_vae/public/z", (4, 128)))
        codes = vae.encode(windows)
        found = {
            "encode_window0": vae.encode(windows[:, 0]),
            "encode_all": codes.flatten(0, 1),
            "decode_z": vae.decode(z),
            "decode_of_encode_all": vae.decode(codes.flatten(0, 1)),
            "decode_coeff": vae.coefficients(emotion[:, :50])[:, ::5],
        }
        for name, value in found.items():
            assert recipes.error(value, reference[f"out_{name}"]) < NETWORK, name

    def test_losses(self, vae, reference):
        emotion = torch.from_numpy(reference["in_emotion"])
        face = torch.from_numpy(reference["in_coeff_3dmm"])
        out = vae(emotion)
        found = {
            "loss_default": (face, VAEConfig(weight_kld=1.0)),
            "loss_config": (face, VAEConfig()),
            "loss_config_when_3dmm_not_loaded": (None, VAEConfig()),
        }
        for name, (target, config) in found.items():
            losses = stacked(vae_losses(out, emotion, target, config))
            np.testing.assert_allclose(losses, reference[f"out_{name}"], rtol=1e-5, err_msg=name)

    def test_training_forward_loss_and_gradients(self, vae, reference):
        vae.train()
        emotion = torch.from_numpy(reference["in_emotion"])
        noise = torch.from_numpy(recipes.normal_input("belfusion_vae/public/eps", (6, 128)))
        out = vae(emotion, noise=noise)
        assert recipes.error(out.emotion.detach(), reference["out_train_prediction"]) < NETWORK
        face = torch.from_numpy(reference["in_coeff_3dmm"])
        losses = vae_losses(out, emotion, face, VAEConfig())
        np.testing.assert_allclose(stacked(losses), reference["out_train_loss"], rtol=1e-5)
        losses.loss.backward()
        assert gradient_error(vae, OFFICIAL_VAE, reference) < GRADIENT


class TestSchedule:
    def test_tables(self):
        reference = recipes.read("belfusion_ldm")
        schedule = denoiser.cosine_schedule(10)
        beta, signal, before = schedule.betas, schedule.signal, schedule.previous_signal
        variance = beta * (1 - before) / (1 - signal)
        tables = {
            "betas": beta,
            "alphas_cumprod": signal,
            "alphas_cumprod_prev": before,
            "sqrt_alphas_cumprod": np.sqrt(signal),
            "sqrt_one_minus_alphas_cumprod": np.sqrt(1 - signal),
            "sqrt_recip_alphas_cumprod": np.sqrt(1 / signal),
            "sqrt_recipm1_alphas_cumprod": np.sqrt(1 / signal - 1),
            "posterior_variance": variance,
            "posterior_log_variance_clipped": np.log(np.append(variance[1], variance[1:])),
            "posterior_mean_coef1": beta * np.sqrt(before) / (1 - signal),
            "posterior_mean_coef2": (1 - before) * np.sqrt(1 - beta) / (1 - signal),
        }
        for name, table in tables.items():
            expected = reference[f"out_schedule_{name}"]
            np.testing.assert_allclose(table, expected, rtol=1e-9, atol=1e-12, err_msg=name)

    def test_loss_of_given_predictions(self):
        reference = recipes.read("belfusion_ldm_loss")
        given = tensors(reference)
        losses = belfusion.ldm_losses(
            given["in_loss_encoded_prediction"],
            given["in_loss_encoded_target"],
            given["in_loss_prediction"],
            given["in_loss_target"],
            LDMConfig(),
        )
        np.testing.assert_allclose(stacked(losses), reference["out_loss_given"], rtol=1e-6)
        best_emotion = reference["out_mse_min_mean_l1_min_mean"][0]
        np.testing.assert_allclose(losses.emotion, best_emotion, rtol=1e-6)


def with_statistics(given):
    statistics = {k: given[f"in_stat_{k}"] for k in ("min", "max", "mean", "std")}
    return load_official_vae(vae_state(), statistics).requires_grad_(False)


@torch.no_grad()
def test_network_noise_and_scaling(ldm_state):
    reference = recipes.read("belfusion_ldm")
    given = tensors(reference)
    vae, ldm = with_statistics(given), denoiser.load_official_ldm(ldm_state)

    def drawn(name, scale=1.0):
        tag = f"belfusion_ldm/public/{name}"
        return torch.from_numpy(recipes.normal_input(tag, (10, 128), scale))

    steps, x = given["in_timesteps"], drawn("x")
    found = {
        "net": ldm.denoiser(x, steps, drawn("cond", 0.5)),
        "timestep_embedding": denoiser.time_features(steps, 64),
        "q_sample": ldm.add_noise(drawn("x_start", 0.5), steps, drawn("q_noise")),
        "preprocess_x": vae.to_unit(x),
        "undo_preprocess_x": vae.from_unit(x),
    }
    for name, value in found.items():
        assert recipes.error(value, reference[f"out_{name}"]) < NETWORK, name


@pytest.mark.parametrize("online", [False, True], ids=["offline", "online"])
class TestLDM:
    """Both stages together; the references differ in the condition of a window."""

    @pytest.fixture
    def setting(self, online, ldm_state):
        name = "belfusion_ldm_online" if online else "belfusion_ldm"
        reference = recipes.read(name)
        given = tensors(reference)
        vae = with_statistics(given)
        ldm = denoiser.load_official_ldm(ldm_state, LDMConfig(online=online))
        return name, reference, given, vae, ldm

    @torch.no_grad()
    def test_ddim(self, online, setting):
        name, reference, given, vae, ldm = setting
        condition = belfusion.encode_condition(vae, given["in_speaker"], online)
        noise = recipes.normal_input(f"{name}/public/ddim_noise", (6, 128)).reshape(2, 3, 128)
        trace = []
        code = belfusion.sample_codes(ldm, condition, torch.from_numpy(noise), trace)
        target_code = belfusion.encode_condition(vae, given["in_listener"])

        def write(codes):
            return vae.decode(vae.from_unit(codes.flatten(0, 1))).reshape(2, 150, 25)

        emotion, target = write(code), write(target_code)
        found = {
            "prediction": emotion,
            "coeff_3dmm": vae.coefficients(emotion)[:, ::5],
            "target_decoded": target[:, ::5],
            "encoded_prediction": code.flatten(1),
            "encoded_target": target_code.flatten(1),
            "trace_pred_xstart": torch.stack([t[0].flatten(0, 1)[:2] for t in trace]),
            "trace_sample": torch.stack([t[1].flatten(0, 1)[:2] for t in trace]),
        }
        for key, value in found.items():
            assert recipes.error(value, reference[f"out_ddim_{key}"]) < NETWORK, key
        losses = belfusion.ldm_losses(
            code.flatten(1)[:, None],
            target_code.flatten(1)[:, None],
            emotion[:, None],
            target[:, None],
            ldm.config,
        )
        np.testing.assert_allclose(stacked(losses), reference["out_eval_loss"], rtol=1e-5)

    def test_training_step(self, online, setting):
        name, reference, given, vae, ldm = setting
        speaker, listener = given["in_train_speaker"], given["in_train_listener"]
        if online:
            speaker, listener = speaker[:, :-50], listener[:, 50:]
        start = given["in_train_window_start"].reshape(1).expand(3)
        noise = recipes.normal_input(f"{name}/public/train_noise", (30, 128)).reshape(3, 10, 128)
        ldm.train()
        made = belfusion.predict(
            ldm,
            vae,
            belfusion.windows_at(speaker, listener, start, 50),
            steps=given["in_train_t"],
            noise=torch.from_numpy(noise),
        )
        every = 5 if online else 1
        found = {
            "encoded_prediction": made.code,
            "encoded_target": made.target_code,
            "prediction_k0": made.emotion[:, 0, ::every],
            "target_k0": made.target[:, 0, ::5],
        }
        for key, value in found.items():
            assert recipes.error(value.detach(), reference[f"out_train_{key}"]) < NETWORK, key
        losses = belfusion.ldm_losses(
            made.code, made.target_code, made.emotion, made.target, ldm.config
        )
        np.testing.assert_allclose(stacked(losses), reference["out_train_loss"], rtol=1e-5)
        losses.loss.backward()
        names, _ = denoiser.official_names(ldm.config)
        assert gradient_error(ldm.denoiser, names, reference) < GRADIENT
