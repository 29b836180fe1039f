"""The wav2vec2 extractor: agreement with transformers, alignment, windows, weights."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import Wav2Vec2Config, Wav2Vec2Model

from react24.errors import InputError
from react24.streams.sources import SoundSource
from react24.streams.wav2vec2 import Wav2Vec2, draw_random_state, plan_windows

HOP = 640
SMALL = {
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "conv_dim": [24] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


@pytest.fixture(scope="module")
def reference():
    """A small model of the same build as wav2vec2-base, run by transformers itself."""
    model = Wav2Vec2Model(Wav2Vec2Config(**SMALL, attn_implementation="eager")).eval()
    state, _ = draw_random_state(model, seed=5)
    generator = torch.Generator().manual_seed(0)
    for value in state.values():  # biases and norms that a mistake would show in
        if value.ndim == 1:
            value.add_(0.1 * torch.randn(value.shape, generator=generator))
    model.load_state_dict(state)
    return model.requires_grad_(False)


@pytest.fixture(scope="module")
def folder(reference, tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    (folder / "config.json").write_text(json.dumps(SMALL))
    save_file(dict(reference.state_dict()), folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def extractor(folder):
    return Wav2Vec2(str(folder), device="cpu", window=2.0, overlap=0.4)


def make_sound(frames, seed=0):
    time = np.arange(frames * HOP) / 16000
    noise = np.random.default_rng(seed).standard_normal(len(time))
    tone = np.sin(2 * np.pi * 220 * time) * (1 + np.sin(2 * np.pi * 2.3 * time))
    return (0.05 + 0.2 * tone + 0.05 * noise).astype(np.float32)


def run_reference(model, samples, layer=-1):
    """Normalise, 40 zeros on both sides, run, average pairs."""
    wave = (samples - samples.mean(dtype=np.float64)) / np.sqrt(samples.var(dtype=np.float64))
    wave = torch.from_numpy(np.pad(wave, 40).astype(np.float32))[None]
    with torch.inference_mode():
        hidden = model(wave, output_hidden_states=True).hidden_states[layer][0]
    assert len(hidden) == 2 * len(samples) // HOP
    return hidden.unflatten(0, (-1, 2)).mean(dim=1).numpy()


def test_one_window_equals_transformers(extractor, reference):
    sound = make_sound(50)
    found = extractor.extract(SoundSource(sound, 50))
    expected = run_reference(reference, sound)
    assert found.values.shape == (50, 48)
    assert found.pretrained
    assert found.weights.startswith("small0 ")
    assert expected.std() > 0.5
    np.testing.assert_allclose(found.values, expected, atol=2e-5 * np.abs(expected).max())


def test_layer(folder, reference):
    sound = make_sound(50)
    extractor = Wav2Vec2(str(folder), device="cpu", window=2.0, overlap=0.4, layer=2)
    found = extractor.extract(SoundSource(sound, 50)).values
    expected = run_reference(reference, sound, layer=2)
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("frames", [749, 750, 751])
def test_clip_edges(folder, frames):
    extractor = Wav2Vec2(str(folder), device="cpu")
    features = extractor.extract(SoundSource(make_sound(frames), frames))
    assert features.values.shape == (frames, 48)
    assert np.isfinite(features.values).all()
    assert features.valid.all()


@pytest.mark.parametrize("tick", [0, 3, 24, 49])
def test_impulse_moves_its_own_row_most(extractor, tick):
    quiet = make_sound(50)
    loud = quiet.copy()
    loud[tick * HOP + 280 : tick * HOP + 360] += 0.5
    before, after = (extractor.extract(SoundSource(s, 50)).values for s in (quiet, loud))
    assert np.abs(after - before).mean(axis=1).argmax() == tick


@pytest.mark.parametrize("frames", [1, 10, 49, 50, 51, 90, 91, 200, 1234])
def test_windows_cover_each_tick_once_from_the_middle(frames):
    windows = plan_windows(frames, length=50, overlap=10)
    kept = [tick for w in windows for tick in range(w.first, w.last)]
    assert kept == list(range(frames))
    for w in windows:
        assert w.start >= 0
        assert w.start <= w.first < w.last <= w.start + 50
        assert w.start + 50 <= max(frames, 50)
        assert w.first == 0 or w.first - w.start >= 5
        assert w.last == frames or w.start + 50 - w.last >= 5


def test_rows_of_long_sound_come_from_windows_of_one_length(extractor):
    sound = make_sound(120)
    values = extractor.extract(SoundSource(sound, 120)).values
    windows = plan_windows(120, 50, 10)
    assert [w.start for w in windows] == [0, 40, 70]
    wave = (sound - sound.mean(dtype=np.float64)) / np.sqrt(sound.var(dtype=np.float64))
    wave = torch.from_numpy(np.pad(wave, 40).astype(np.float32))
    with torch.inference_mode():
        hidden = extractor._network(wave[None, 40 * HOP : 90 * HOP + 80]).last_hidden_state[0]
    alone = hidden.unflatten(0, (-1, 2)).mean(dim=1).numpy()
    np.testing.assert_allclose(values[45:80], alone[5:40], atol=1e-5)


def test_batches_of_windows_give_the_same_rows(extractor, folder):
    source = SoundSource(make_sound(170), 170)
    batched = Wav2Vec2(str(folder), device="cpu", window=2.0, overlap=0.4, batch=3)
    one, three = extractor.extract(source).values, batched.extract(source).values
    np.testing.assert_allclose(three, one, atol=1e-5)


def test_short_sound_is_run_at_the_same_length(extractor):
    sound = make_sound(20)
    wave = (sound - sound.mean(dtype=np.float64)) / np.sqrt(sound.var(dtype=np.float64))
    wave = torch.from_numpy(np.pad(wave, (40, 40 + 30 * HOP)).astype(np.float32))
    with torch.inference_mode():
        hidden = extractor._network(wave[None]).last_hidden_state[0]
    expected = hidden.unflatten(0, (-1, 2)).mean(dim=1).numpy()[:20]
    features = extractor.extract(SoundSource(sound, 20))
    np.testing.assert_allclose(features.values, expected, atol=1e-5)
    assert features.valid.all()


def test_unknown_sound_is_marked_and_does_not_shift_the_normalisation(extractor):
    known = np.ones(50, bool)
    known[30:] = False
    sound = make_sound(50)
    broken = sound.copy()
    broken[30 * HOP :] = 0.9
    features = extractor.extract(SoundSource(broken, 50, known=known))
    assert features.valid.tolist() == known.tolist()
    short = extractor.extract(SoundSource(sound[: 30 * HOP], 30))
    np.testing.assert_allclose(features.values[:30], short.values, atol=1e-5)


def test_silence_gives_finite_values(extractor):
    values = extractor.extract(SoundSource(np.zeros(50 * HOP, np.float32), 50)).values
    assert np.isfinite(values).all()


def test_same_bytes_again(extractor):
    source = SoundSource(make_sound(60), 60)
    assert extractor.extract(source).values.tobytes() == extractor.extract(source).values.tobytes()


def test_older_checkpoint_keys(extractor, reference, tmp_path):
    state = {"lm_head.weight": torch.zeros(3, 3), "quantizer.codevectors": torch.zeros(2)}
    norm = "parametrizations.weight.original"
    for key, value in reference.state_dict().items():
        older = key.replace(f"{norm}0", "weight_g").replace(f"{norm}1", "weight_v")
        state[f"wav2vec2.{older}"] = value
    torch.save(state, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    older = Wav2Vec2(str(tmp_path), device="cpu", window=2.0, overlap=0.4)
    source = SoundSource(make_sound(50), 50)
    np.testing.assert_array_equal(older.extract(source).values, extractor.extract(source).values)


def test_wrong_checkpoints_are_refused(reference, tmp_path):
    with pytest.raises(InputError, match=r"neither model\.safetensors"):
        Wav2Vec2(str(tmp_path), device="cpu")
    state = dict(reference.state_dict())
    del state["feature_projection.projection.bias"]
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"config\.json"):
        Wav2Vec2(str(tmp_path), device="cpu")
    (tmp_path / "config.json").write_text(json.dumps(SMALL | {"feat_extract_norm": "layer"}))
    with pytest.raises(InputError, match="built like wav2vec2-base"):
        Wav2Vec2(str(tmp_path), device="cpu")
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    with pytest.raises(InputError, match=r"projection\.bias: expected \(48,\), found none"):
        Wav2Vec2(str(tmp_path), device="cpu")
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="not a readable safetensors"):
        Wav2Vec2(str(tmp_path), device="cpu")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer": 4}, "1 to 3"),
        ({"layer": "first"}, "accepted"),
        ({"overlap": 30.0}, "overlap"),
        ({"window": 30.01}, "whole number"),
        ({"weights": "no-such-folder"}, "accepted"),
    ],
)
def test_unknown_settings_are_refused(folder, settings, message):
    with pytest.raises(InputError, match=message):
        Wav2Vec2(**{"weights": str(folder), "device": "cpu"} | settings)


def test_random_base_model(monkeypatch):
    extractor = Wav2Vec2(device="cpu", window=2.0, overlap=0.4)
    parameters = sum(p.numel() for p in extractor._network.parameters())
    assert parameters == 94_371_712
    features = [extractor.extract(SoundSource(make_sound(50, seed), 50)) for seed in (0, 1)]
    values = [f.values for f in features]
    assert values[0].shape == (50, 768)
    assert len(set(features[0].feature_names)) == 768
    assert not features[0].pretrained
    assert features[0].weights.startswith("random-wav2vec2-seed0 ")
    assert values[0].std(axis=0).mean() > 0.1
    assert np.abs(values[0] - values[1]).mean() > 0.1
