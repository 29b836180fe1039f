"""TranVAE reproduces the numbers of the official implementation of Learning2Listen."""

import numpy as np
import pytest
import torch
from helpers.official_export import export_codebook, export_predictor
from parity import recipes

from react24.models.learning2listen.codebook import MotionCodebook, codebook_losses
from react24.models.learning2listen.official import (
    codebook_names,
    load_official_codebook,
    load_official_predictor,
    official_codebook_config,
    official_predictor_config,
    predictor_names,
)
from react24.models.learning2listen.predictor import (
    CodePredictor,
    nucleus,
    official_visible,
    predictor_loss,
)
from react24.models.learning2listen.sampling import Windows, sample_codes, speaker_steps, write
from react24.models.learning2listen.settings import CodebookConfig, SamplingConfig
from react24.models.learning2listen.tasks import scheduled_rate

NETWORK = 2e-5
GRADIENT = 1e-3
MARGIN = 2e-3
SAMPLING = SamplingConfig(sound_offset="frame_number", reencode=True)


def drawn(official):
    """Official tensors with the reference weights in them."""
    weights = recipes.weights({key: value.shape for key, value in official.items()})
    return {**official, **{key: torch.from_numpy(value) for key, value in weights.items()}}


@pytest.fixture(scope="module")
def codebook_state():
    return drawn(export_codebook(MotionCodebook(official_codebook_config())))


@pytest.fixture(scope="module")
def predictor_state():
    sizes = official_predictor_config(), CodebookConfig(parts=(50, 3, 3))
    return drawn(export_predictor(CodePredictor(*sizes)))


@pytest.fixture
def codebook(codebook_state):
    return load_official_codebook(codebook_state)


@pytest.fixture
def predictor(predictor_state):
    return load_official_predictor(predictor_state)


def tensor(array):
    return torch.from_numpy(array)


def check(found, reference, name, limit=NETWORK):
    assert recipes.error(found.detach(), reference[f"out_{name}"]) < limit, name


def gradient_error(module, names, reference):
    """Largest relative error of a gradient's norm; those that the official code lacks are -1."""
    parameters, found = dict(module.named_parameters()), []
    for key, norm in zip(reference["out_grad_names"], reference["out_grad_norms"], strict=True):
        gradient = parameters[names[str(key)]].grad
        assert (gradient is None) == (norm < 0), key
        found.append(abs(gradient.double().norm().item() / norm - 1) if norm > 0 else 0.0)
    return max(found)


@pytest.mark.parametrize("name", ["l2l_vqvae", "l2l_predictor"])
def test_recipe_draws_the_reference_weights(name, codebook_state, predictor_state):
    reference = recipes.read(name)
    state = codebook_state if name == "l2l_vqvae" else predictor_state
    floating = {key: value for key, value in state.items() if value.is_floating_point()}
    assert sorted(reference["key_names"]) == sorted(floating)
    sums = [float(floating[str(key)].double().sum()) for key in reference["key_names"]]
    np.testing.assert_allclose(sums, reference["key_sums"], rtol=1e-5, atol=1e-5)


class TestCodebook:
    @pytest.fixture(scope="class")
    def reference(self):
        return recipes.read("l2l_vqvae")

    @pytest.fixture(scope="class")
    def motion(self):
        return tensor(recipes.smooth_input("l2l_vqvae/public/motion", (4, 32, 56)))

    def test_forward_in_eval_mode(self, codebook, motion, reference):
        encoded = codebook.encoder(motion)
        out = codebook(motion)
        quantised, losses = out.quantised, codebook_losses(out, motion, codebook)
        check(encoded, reference, "encoder")
        assert np.array_equal(quantised.indices, reference["out_indices"])
        assert np.array_equal(codebook.indices(motion), reference["out_indices"])
        check(quantised.values, reference, "quantized")
        check(out.motion, reference, "reconstruction")
        check(losses.quantiser, reference, "quant_loss")
        check(losses.perplexity, reference, "perplexity")
        check(losses.loss, reference, "vq_loss")

    @torch.no_grad()
    def test_distances_to_the_two_nearest_codes(self, codebook, motion, reference):
        quantiser = codebook.quantiser
        indices = tensor(recipes.integer_input("l2l_vqvae/public/indices", (4, 4), 200)).long()
        again = codebook.encoder(codebook.decode(indices))
        check(codebook.decode(indices), reference, "decoded_from_indices")
        assert np.array_equal(quantiser.indices(again), reference["out_requantised_indices"])
        for encoded, name in (
            (codebook.encoder(motion), "distance_margin"),
            (again, "requantised_margin"),
        ):
            nearest = quantiser.distances(quantiser.vectors(encoded)).sort(1).values
            check(nearest[:, 1] - nearest[:, 0], reference, name, MARGIN)

    @torch.no_grad()
    def test_a_token_is_a_block_of_channels(self, codebook, motion, reference):
        encoded = codebook.encoder(motion)
        moved = encoded.clone()
        moved[:, :, 64:128] += 5.0
        changed = codebook.quantiser.indices(moved) != codebook.quantiser.indices(encoded)
        assert np.array_equal(changed, reference["out_indices_changed_by_channels_64_127"])

    def test_gradients(self, codebook, motion, reference):
        codebook_losses(codebook(motion), motion, codebook).loss.backward()
        names = codebook_names(codebook.config)
        assert gradient_error(codebook, names, reference) < GRADIENT

    def test_training_mode(self, codebook, motion, reference):
        out = codebook.train()(motion)
        check(out.motion, reference, "train_mode_reconstruction")
        check(codebook_losses(out, motion, codebook).loss, reference, "train_mode_loss")
        variance = codebook.encoder.squeeze.blocks[0].norm.running_var
        check(variance, reference, "train_mode_running_var_squasher0")

    def test_learning_rate(self, reference):
        config = official_codebook_config()
        steps = (1, 2, 1000, 99_999, 100_000, 100_001, 400_000)
        found = [scheduled_rate(config, config.hidden, n - 1, 10**7) for n in steps]
        expected = reference["out_lr_at_steps_1_2_1000_99999_100000_100001_400000"]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


class TestPredictor:
    @pytest.fixture(scope="class")
    def reference(self):
        return recipes.read("l2l_predictor")

    @pytest.fixture(scope="class")
    def inputs(self):
        tag = "l2l_predictor/public"
        return {
            "speaker": tensor(recipes.smooth_input(f"{tag}/speaker", (3, 40, 56))),
            "audio": tensor(recipes.normal_input(f"{tag}/audio", (3, 160, 128))),
            "past": tensor(recipes.integer_input(f"{tag}/past", (3, 4), 200)).long(),
            "future": tensor(recipes.integer_input(f"{tag}/future", (3, 4), 200)).long(),
        }

    @pytest.mark.parametrize("visible", [0, 1, 2, 3, 4, 7, 20])
    @pytest.mark.parametrize("each", [False, True])
    def test_logits_and_loss(self, predictor, inputs, reference, visible, each):
        features = predictor.speaker_features(inputs["speaker"], inputs["audio"])
        asked = torch.full((3,), visible) if each else visible
        logits = predictor(features, inputs["past"], asked)
        check(logits, reference, f"logits_mask{min(visible, 4)}")
        loss = predictor_loss(logits, inputs["future"])
        check(loss, reference, f"ce_mask{visible}")
        first = predictor(features, inputs["past"], asked, rows=4)
        torch.testing.assert_close(first, logits[:, :4], rtol=1e-5, atol=1e-5)

    def test_without_a_mask(self, predictor, inputs, reference):
        features = predictor.speaker_features(inputs["speaker"], inputs["audio"])
        logits = predictor(features, inputs["past"], None)
        check(logits, reference, "logits_nomask_maxmask_none")

    def test_masks(self, predictor, reference):
        drawn = [official_visible(step) for step in range(20)]
        assert drawn == reference["out_first_20_drawn_mask_index"].tolist()
        mask = predictor.attention_mask(2, predictor.position)
        among_codes = mask[0, :, :4, :4].float()
        assert np.array_equal(among_codes, reference["out_mask_for_index_2"])
        assert mask.logical_not().sum() == 8

    def test_gradients(self, predictor, inputs, reference):
        features = predictor.speaker_features(inputs["speaker"], inputs["audio"])
        predictor_loss(predictor(features, inputs["past"], 4, rows=4), inputs["future"]).backward()
        names = predictor_names(predictor.config, predictor.codebook)
        assert gradient_error(predictor, names, reference) < GRADIENT

    def test_nucleus(self, reference):
        logits = 3 * tensor(reference["out_logits_mask4"])[:, 0]
        found = nucleus(logits, temperature=0.7, top_p=0.9)
        check(found.probabilities.unsqueeze(1), reference, "nucleus_probs")
        assert np.array_equal(found.kept.unsqueeze(1), reference["out_nucleus_kept"])
        plain = nucleus(logits, temperature=1.0, top_p=1.0).probabilities
        check(plain.unsqueeze(1), reference, "probs_when_sample_idx_given")

    @torch.no_grad()
    def test_sampling(self, predictor, codebook, reference):
        tag = "l2l_predictor/public"
        motion = tensor(recipes.smooth_input(f"{tag}/speaker_long", (3, 64, 56)))
        sound = tensor(recipes.normal_input(f"{tag}/audio_long", (3, 256, 128)))
        features = speaker_steps(predictor, motion, sound, SAMPLING)
        trace = []
        windows = Windows(codebook)
        codes = sample_codes(windows, predictor, features, SAMPLING, None, trace=trace)
        assert np.array_equal(codes[:, 4:], reference["out_ar_codes"][:, 4:])
        best = torch.stack(trace, dim=1).topk(2, dim=-1).values
        check(best[..., 0] - best[..., 1], reference, "ar_code_prob_gap")
        written = write(windows, codes)
        face = torch.zeros(3, 32, 56)
        check(torch.cat([face, written], dim=1), reference, "ar_prediction")

    @torch.no_grad()
    def test_windows_are_decoded_once(self, codebook, monkeypatch):
        codes = torch.tensor([[1, 2, 3, 4], [9, 8, 7, 6], [1, 2, 3, 4]])
        motion, again = codebook.decode(codes), codebook.indices(codebook.decode(codes))
        windows, decoded = Windows(codebook), []
        real = codebook.decode
        monkeypatch.setattr(codebook, "decode", lambda new: decoded.append(len(new)) or real(new))
        assert torch.equal(windows.requantise(codes), again)
        assert torch.equal(windows.requantise(codes[1:]), again[1:])
        torch.testing.assert_close(windows.decode(codes), motion, rtol=0, atol=1e-5)
        assert decoded == [2]

    @torch.no_grad()
    def test_decoded_listener(self, codebook, reference):
        motion = tensor(recipes.smooth_input("l2l_predictor/public/listener_long", (3, 64, 56)))
        motion[:, :32] = 0  # as the official sampler leaves it
        windows = motion.unflatten(1, (2, 32)).flatten(0, 1)
        decoded = codebook.decode(codebook.indices(windows)).reshape(motion.shape)
        check(decoded, reference, "ar_decoded_gt")
