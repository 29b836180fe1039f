"""BeLFusion beyond its reference numbers: learning, variants, sampling, official weights."""

import pytest
import torch
from helpers.official_export import export_ldm, export_vae

from react24 import models as registry
from react24.contracts import entry_points
from react24.errors import InputError
from react24.models.belfusion import denoiser
from react24.models.belfusion import diffusion as belfusion
from react24.models.belfusion.recurrence import read_window
from react24.models.belfusion.settings import LDMConfig, VAEConfig, read_settings
from react24.models.belfusion.vae import (
    BehaviourVAE,
    cut_windows,
    load_official_vae,
    vae_losses,
)

SMALL_VAE = VAEConfig(hidden=16, latent=16, read_out=(16,), coefficient_hidden=16, code="mean")
SMALL_LDM = LDMConfig(latent=16, hidden=32, layers=3, draws=4, window_start="whole_clip")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def make(kind, config, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(config)


@pytest.fixture
def pair():
    """A small VAE with plausible statistics and a small diffusion."""
    vae = make(BehaviourVAE, SMALL_VAE).eval()
    vae.fit_code_statistics([torch.rand(4, 150, 25, generator=seeded(1))])
    return vae.requires_grad_(False), make(belfusion.LatentDiffusion, SMALL_LDM).eval()


def wave(clips=4, frames=100, channels=25):
    """Smooth behaviour that differs between clips."""
    time = torch.arange(frames).view(1, -1, 1) / 25
    phase = torch.arange(clips).view(-1, 1, 1) + torch.arange(channels).view(1, 1, -1) / 5
    return 0.5 + 0.4 * torch.sin(2 * time + phase)


def trainable(module):
    return sum(p.numel() for p in module.parameters())


def test_official_sizes_have_the_official_number_of_parameters():
    assert trainable(BehaviourVAE(VAEConfig())) == 242_579
    assert trainable(denoiser.LatentDiffusion(LDMConfig())) == 12_300_928


class TestVAE:
    def test_shapes(self):
        vae = make(BehaviourVAE, SMALL_VAE)
        out = vae(torch.rand(3, 150, 25), generator=seeded())
        assert out.emotion.shape == (3, 150, 25)
        assert out.coefficients.shape == (3, 150, 58)
        assert out.mean.shape == out.log_variance.shape == (9, 16)
        assert vae.encode(torch.rand(2, 3, 50, 25)).shape == (2, 3, 16)

    @pytest.mark.parametrize("frames", [0, 49, 51, 749])
    def test_a_length_that_is_no_multiple_of_the_window_is_refused(self, frames):
        with pytest.raises(InputError, match=f"{frames} frames .* multiple of 50"):
            BehaviourVAE(SMALL_VAE)(torch.zeros(1, frames, 25))

    def test_windows_of_another_shape_are_refused(self):
        with pytest.raises(InputError, match=r"50 frames and 25 channels, found \(2, 40, 25\)"):
            BehaviourVAE(SMALL_VAE).encode(torch.zeros(2, 40, 25))

    def test_windows_are_independent(self):
        vae = make(BehaviourVAE, SMALL_VAE).eval()
        first, second = wave(1, 50), wave(2, 50)[1:]
        together = vae(torch.cat([first, second], dim=1)).emotion
        torch.testing.assert_close(together[:, 50:], vae(second).emotion)

    def test_decoding_step_by_step_is_a_plain_gru_cell(self):
        vae = make(BehaviourVAE, SMALL_VAE).eval()
        code = torch.randn(3, 16, generator=seeded())
        state, frame, frames = torch.zeros(3, 16), torch.zeros(3, 25), []
        for _ in range(50):
            state = vae.decoder(torch.cat([vae.from_code(code), frame], dim=-1), state)
            frame = vae.to_emotion(torch.tanh(vae.read_out[0](state)))
            frames.append(frame)
        torch.testing.assert_close(vae.decode(code), torch.stack(frames, 1), rtol=1e-5, atol=1e-6)

    def test_same_generator_same_draw_and_eval_draws_nothing(self):
        vae, x = make(BehaviourVAE, SMALL_VAE), torch.rand(2, 50, 25)
        first, again = (vae(x, generator=seeded(3)).emotion for _ in range(2))
        assert torch.equal(first, again)
        assert not torch.equal(first, vae(x, generator=seeded(4)).emotion)
        vae.eval()
        assert torch.equal(vae(x).emotion, vae(x, generator=seeded(5)).emotion)

    def test_overfits_one_batch(self):
        config = SMALL_VAE.replace(hidden=32, latent=32, read_out=(32,), window=10)
        vae, x, noise = make(BehaviourVAE, config), wave(16, 10), seeded()
        face = 0.3 * torch.sin(torch.arange(58) + x[..., :1])
        optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-2)
        losses = []
        for _ in range(100):
            optimizer.zero_grad()
            loss = vae_losses(vae(x, generator=noise), x, face, config).loss
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0] / 10

    def test_code_scaling_spans_what_was_seen(self):
        vae, x = make(BehaviourVAE, SMALL_VAE).eval(), wave(6, 150)
        vae.fit_code_statistics(x.split(2))
        codes = vae.encode(cut_windows(x, 50)).detach()
        scaled = vae.to_unit(codes).flatten(0, 1)
        torch.testing.assert_close(scaled.amin(0), -torch.ones(16), rtol=0, atol=1e-4)
        torch.testing.assert_close(scaled.amax(0), torch.ones(16), rtol=0, atol=1e-4)
        torch.testing.assert_close(vae.from_unit(vae.to_unit(codes)), codes)
        torch.testing.assert_close(vae.code_std, codes.flatten(0, 1).std(0))

    def test_statistics_of_nothing_are_refused(self):
        with pytest.raises(InputError, match="at least two windows"):
            BehaviourVAE(SMALL_VAE).fit_code_statistics([])

    @pytest.mark.parametrize("target", ["zero", "standardised"])
    def test_coefficients_come_back_in_native_units(self, target):
        vae = make(BehaviourVAE, SMALL_VAE.replace(coefficient_target=target))
        mean, std = torch.linspace(-1, 1, 58), torch.linspace(0, 3, 58)
        vae.set_coefficient_statistics(mean, std)
        x = torch.rand(2, 50, 25)
        scale = torch.ones(58) if target == "zero" else torch.where(std < 1e-6, 1.0, std)
        expected = vae.to_coefficients(x) * scale + mean
        torch.testing.assert_close(vae.coefficients(x), expected)


class TestVariants:
    def test_code_is_the_encoder_state_or_the_posterior_mean(self):
        official, fixed = (
            make(BehaviourVAE, read_settings({"variant": v}).vae).eval()
            for v in ("official", "fixed")
        )
        windows = wave(2, 50)
        state = read_window(official.encoder, windows)
        assert torch.equal(official.encode(windows), state)
        assert torch.equal(fixed.encode(windows), fixed.to_mean(state))  # same initial weights
        reconstruction = fixed(windows).emotion
        torch.testing.assert_close(fixed.decode(fixed.encode(windows)), reconstruction)
        decoded = official.decode(official.encode(windows))
        assert not torch.allclose(decoded, reconstruction, atol=1e-2)

    def test_official_windows_come_from_the_first_99_frames_one_start_per_batch(self):
        clips = torch.arange(750.0).expand(8, 750).unsqueeze(-1)
        config = read_settings({"variant": "official"}).ldm
        generator = seeded()
        starts = [
            belfusion.draw_windows(clips, clips, config, generator).listener[:, 0, 0]
            for _ in range(1000)
        ]
        assert all(len(s.unique()) == 1 for s in starts)
        assert torch.stack(starts).unique().tolist() == list(range(50))

    def test_fixed_windows_come_from_the_whole_clip_one_start_per_clip(self):
        clips = torch.arange(750.0).expand(4000, 750).unsqueeze(-1)
        config = read_settings({"variant": "fixed"}).ldm
        windows = belfusion.draw_windows(clips, clips, config, seeded())
        assert torch.equal(windows.speaker, windows.listener)
        starts = windows.listener[:, 0, 0]
        assert starts.min() == 0
        assert starts.max() == 700
        assert torch.equal(windows.listener[:, -1, 0], starts + 49)

    def test_online_condition_is_the_window_before(self):
        clips = torch.arange(150.0).expand(8, 150).unsqueeze(-1)
        config = SMALL_LDM.replace(online=True)
        windows = belfusion.draw_windows(clips, clips, config, seeded())
        assert torch.equal(windows.speaker + 50, windows.listener)

    @pytest.mark.parametrize(
        ("start", "online", "needed"),
        [("first_window", False, 99), ("whole_clip", False, 50), ("first_window", True, 149)],
    )
    def test_clips_too_short_for_any_start_are_refused(self, start, online, needed):
        config = SMALL_LDM.replace(window_start=start, online=online)
        enough = torch.zeros(2, needed, 25)
        belfusion.draw_windows(enough, enough, config, seeded())
        short = enough[:, 1:]
        with pytest.raises(InputError, match=f"{needed - 1} frames .* at least {needed}"):
            belfusion.draw_windows(short, short, config, seeded())

    def test_zero_target_is_the_mean_square_of_the_output(self):
        vae, x = make(BehaviourVAE, SMALL_VAE).eval(), wave()
        out = vae(x)
        zero = vae_losses(out, x, None, SMALL_VAE)
        given = vae_losses(out, x, torch.zeros(4, 100, 58), SMALL_VAE)
        torch.testing.assert_close(zero.loss, given.loss)
        real = vae_losses(out, x, torch.ones(4, 100, 58), SMALL_VAE)
        assert real.coefficients > zero.coefficients


class TestLDM:
    def test_sharing_the_modulations_changes_nothing(self, pair):
        _, ldm = pair
        noisy, condition = torch.randn(5, 16), torch.randn(5, 16)
        direct = ldm.denoiser(noisy, torch.full((5,), 7), condition)
        time = ldm.denoiser.time_modulations(torch.arange(10))
        speaker = ldm.denoiser.condition_modulations(condition)
        shared = [s + t[7] for s, t in zip(speaker, time, strict=True)]
        torch.testing.assert_close(ldm.denoiser.denoise(noisy, shared), direct)

    def test_loss_takes_the_best_draw_of_each_term(self):
        code = torch.tensor([[[0.0], [3.0]]])
        emotion = torch.tensor([2.0, 0.5]).view(1, 2, 1, 1)
        zero = torch.zeros(1, 1, 1)
        config = SMALL_LDM.replace(weight_code=10.0, weight_emotion=2.0)
        losses = belfusion.ldm_losses(code, zero + 1, emotion, zero.unsqueeze(-1), config)
        assert losses.code == 1.0  # of the first draw
        assert losses.emotion == 0.25  # of the second
        assert losses.loss == 10.5

    def test_overfits_one_batch(self, pair):
        vae, ldm = pair
        clips, noise = wave(4, 50), seeded()
        windows = belfusion.WindowPairs(clips, clips.flip(0))
        optimizer = torch.optim.AdamW(ldm.parameters(), lr=1e-2)
        losses = []
        for _ in range(60):
            optimizer.zero_grad()
            made = belfusion.predict(ldm, vae, windows, generator=noise)
            loss = belfusion.ldm_losses(
                made.code, made.target_code, made.emotion, made.target, ldm.config
            ).loss
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert sum(losses[-10:]) < sum(losses[:10]) / 2
        assert all(p.grad is None for p in vae.parameters())

    def test_training_runs_in_mixed_precision(self, pair):
        vae, ldm = pair
        windows = belfusion.WindowPairs(wave(4, 50), wave(4, 50))
        with torch.autocast("cpu", torch.bfloat16):
            made = belfusion.predict(ldm, vae, windows, generator=seeded())
            out = make(BehaviourVAE, SMALL_VAE)(wave(), generator=seeded())
        assert made.emotion.isfinite().all()
        assert out.emotion.isfinite().all()


def draw(vae, ldm, speaker, n_samples, generator):
    """Reactions to all speakers, one random stream going through them."""
    return belfusion.sample(vae, ldm, speaker, n_samples, [generator] * len(speaker))


class TestSampling:
    def test_shapes_range_and_determinism(self, pair):
        vae, ldm = pair
        speaker = wave(3, 150)
        first, again = (draw(vae, ldm, speaker, 4, seeded(7)) for _ in range(2))
        assert first.emotion.shape == (3, 4, 150, 25)
        assert first.coefficients.shape == (3, 4, 150, 58)
        assert torch.equal(first.emotion, again.emotion)
        other = draw(vae, ldm, speaker, 4, seeded(8))
        assert not torch.allclose(first.emotion, other.emotion)
        assert first.emotion.isfinite().all()

    @pytest.mark.parametrize("discard", [False, True])
    def test_result_does_not_depend_on_how_clips_are_batched(self, pair, discard):
        vae, ldm = pair
        ldm.config = ldm.config.replace(discard_draws=discard)
        speaker = wave(3, 100)
        together = draw(vae, ldm, speaker, 2, seeded(7)).emotion
        generator = seeded(7)
        parts = [
            belfusion.sample(vae, ldm, clip, 2, [generator]).emotion for clip in speaker.split(1)
        ]
        torch.testing.assert_close(together, torch.cat(parts), rtol=1e-4, atol=1e-5)

    def test_discarded_draws_move_the_stream_of_the_second_clip_only(self, pair):
        vae, ldm = pair
        speaker = wave(2, 100)
        plain = draw(vae, ldm, speaker, 2, seeded(7)).emotion
        ldm.config = ldm.config.replace(discard_draws=True)
        official = draw(vae, ldm, speaker, 2, seeded(7)).emotion
        assert torch.equal(plain[0], official[0])
        assert not torch.equal(plain[1], official[1])

    def test_each_reaction_follows_its_own_speaker(self, pair):
        vae, ldm = pair
        speaker = wave(2, 100)
        straight = draw(vae, ldm, speaker, 1, seeded()).emotion
        changed = speaker.clone()
        changed[1, 50:] = 0  # second window of the second clip
        other = draw(vae, ldm, changed, 1, seeded()).emotion
        same = torch.isclose(straight, other, atol=1e-6).all(-1).squeeze(1)  # (2, 100)
        assert same[0].all()
        assert same[1, :50].all()
        assert not same[1, 50:].all()

    def test_online_reactions_do_not_know_the_speaker_of_their_own_window(self, pair):
        vae, ldm = pair
        ldm.config = ldm.config.replace(online=True)
        speaker = wave(1, 100)
        other = speaker.clone()
        other[:, 50:] = 0
        first, second = (draw(vae, ldm, s, 1, seeded()).emotion for s in (speaker, other))
        assert torch.equal(first, second)
        changed = draw(vae, ldm, torch.zeros_like(speaker), 1, seeded()).emotion
        assert torch.allclose(first[:, :, :50], changed[:, :, :50], atol=1e-6)
        assert not torch.allclose(first[:, :, 50:], changed[:, :, 50:], atol=1e-6)

    def test_bad_requests_are_refused(self, pair):
        vae, ldm = pair
        with pytest.raises(InputError, match="at least 1, found 0"):
            draw(vae, ldm, wave(), 0, seeded())
        with pytest.raises(InputError, match="749 frames"):
            draw(vae, ldm, wave(1, 749), 1, seeded())

    def test_saved_weights_give_the_same_reactions_through_the_registry(self, pair):
        vae, ldm = pair
        settings = {
            "variant": "fixed",
            "vae": {"hidden": 16, "latent": 16, "read_out": [16], "coefficient_hidden": 16},
            "ldm": {"hidden": 32, "layers": 3, "draws": 4},
        }
        weights = {"vae": vae.state_dict(), "ldm": ldm.state_dict()}
        model = entry_points.resolve(registry.get("belfusion").load)(settings, weights)
        found = model.to("cpu").react({"speaker": wave()}, 2, [seeded()] * len(wave()))
        expected = draw(vae, ldm, wave(), 2, seeded())
        assert torch.equal(found.emotion, expected.emotion)
        assert torch.equal(found.coefficients, expected.coefficients)
        settings["vae"]["hidden"] = settings["vae"]["latent"] = 8
        settings["ldm"]["latent"] = 8
        with pytest.raises(InputError, match=r"stage vae do not fit"):
            entry_points.resolve(registry.get("belfusion").load)(settings, weights)


class TestOfficialWeights:
    def test_vae_goes_out_and_comes_back(self):
        vae = make(BehaviourVAE, VAEConfig(code="state")).eval()
        vae.fit_code_statistics([wave(2, 100)])
        state, statistics = export_vae(vae)
        assert len(state) == 24
        state = {f"module.{key}": value for key, value in state.items()}
        again = load_official_vae(state, statistics)
        assert torch.equal(again(wave()).emotion, vae(wave()).emotion)
        assert torch.equal(again.to_unit(wave(1, 1, 128)), vae.to_unit(wave(1, 1, 128)))
        torch.testing.assert_close(statistics["var"], vae.code_std.square())

    def test_ldm_goes_out_and_comes_back(self):
        ldm = make(denoiser.LatentDiffusion, LDMConfig())
        state = export_ldm(ldm)
        assert len(state) == 82
        again = denoiser.load_official_ldm({f"module.{k}": v for k, v in state.items()})
        for name, tensor in ldm.state_dict().items():
            assert torch.equal(tensor, again.state_dict()[name]), name

    def test_second_name_of_a_tensor_wins_where_they_differ(self, caplog):
        config = SMALL_LDM.replace(time_channels=64)
        state = export_ldm(make(belfusion.LatentDiffusion, config))
        state["layers.0.cond_layers.1.bias"] = state["layers.0.linear_emb.bias"] + 1
        loaded = denoiser.load_official_ldm(state, config)
        found = loaded.denoiser.layers[0].modulation.bias
        assert torch.equal(found, state["layers.0.cond_layers.1.bias"])
        assert "layers.0.linear_emb.bias" in caplog.text

    def test_wrong_keys_are_named_with_what_was_expected(self):
        state, _ = export_vae(BehaviourVAE(VAEConfig(code="state")))
        state["d_out.wait"] = state.pop("d_out.weight")
        state["d_out.bias"] = torch.zeros(24)
        with pytest.raises(InputError) as caught:
            load_official_vae(state)
        message = str(caught.value)
        assert "1 missing: d_out.weight" in message
        assert "1 unexpected: d_out.wait" in message
        assert "d_out.bias: expected 25, found 24" in message
        assert "expected 24 tensors" in message

    def test_a_whole_checkpoint_or_the_other_stage_is_recognised(self):
        state, _ = export_vae(BehaviourVAE(VAEConfig(code="state")))
        with pytest.raises(InputError, match="whole checkpoint: pass its entry 'state_dict'"):
            load_official_vae({"epoch": 3, "state_dict": state, "optimizer": {}})
        with pytest.raises(InputError, match=r"stage 2 of BeLFusion[\s\S]*unexpected: x_rnn"):
            denoiser.load_official_ldm(state)

    def test_statistics_must_be_complete(self):
        state, statistics = export_vae(BehaviourVAE(VAEConfig(code="state")))
        del statistics["max"]
        with pytest.raises(InputError, match=r"code statistics[\s\S]*missing: max"):
            load_official_vae(state, statistics)

    def test_official_weights_go_with_the_encoder_state_only(self):
        state, _ = export_vae(BehaviourVAE(VAEConfig(code="state")))
        with pytest.raises(InputError, match="code: state"):
            load_official_vae(state, config=VAEConfig(code="mean"))
