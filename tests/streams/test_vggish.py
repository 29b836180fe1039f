"""The VGGish extractor: alignment with the 25 fps clock, settings, weights."""

import numpy as np
import pytest
import torch

from react24.errors import InputError
from react24.streams.sources import SoundSource
from react24.streams.vggish import LoadedVGGish, VGGish, draw_random, read_pca

HOP = 960


@pytest.fixture(scope="module")
def extractor():
    return VGGish(device="cpu")


def make_sound(frames, seed=0, extra=0):
    time = np.arange(frames * HOP + extra) / 24000
    noise = np.random.default_rng(seed).standard_normal(len(time))
    loudness = 0.5 + 0.5 * np.sin(2 * np.pi * (1.3 + seed) * time)
    tone = np.sin(2 * np.pi * (200 + 150 * seed) * time)
    return (0.2 * loudness * (tone + 0.1 * noise)).astype(np.float32)


def test_row_per_tick_values_and_names(extractor):
    features = extractor.extract(SoundSource(make_sound(10), 10))
    assert features.values.shape == (10, 128)
    assert features.values.dtype == np.float32
    assert len(set(features.feature_names)) == 128
    np.testing.assert_array_equal(features.values, np.round(features.values))
    assert features.values.min() >= 0
    assert features.values.max() <= 255
    np.testing.assert_array_equal(features.values[-1], features.values[-2])
    assert features.valid.tolist() == [True] * 9 + [False]
    assert not features.pretrained
    assert features.weights.startswith("random-vggish-seed0 ")


@pytest.mark.parametrize("frames", [749, 750, 751])
def test_clip_edges(extractor, frames, monkeypatch):
    def average(block):  # the convolutions cost seconds here and have no part in the counting
        return block.mean(dim=(1, 2))[:, None].expand(-1, 512 * 6 * 4)

    monkeypatch.setattr(extractor, "_convolve", average)
    monkeypatch.setattr(extractor, "quantizer", None)
    features = extractor.extract(SoundSource(make_sound(frames), frames))
    assert features.values.shape == (frames, 128)
    assert np.isfinite(features.values).all()
    assert features.valid.sum() == frames - 1


@pytest.mark.parametrize(("offset", "moved"), [(700, [4]), (100, [3, 4])])
def test_impulse_moves_its_own_row(extractor, offset, moved, monkeypatch):
    monkeypatch.setattr(extractor, "quantizer", None)
    quiet = make_sound(9)
    loud = quiet.copy()
    loud[4 * HOP + offset] = 1.0
    before = extractor.extract(SoundSource(quiet, 9)).values
    after = extractor.extract(SoundSource(loud, 9)).values
    assert np.flatnonzero((before != after).any(axis=1)).tolist() == moved


def test_same_seed_same_bytes(extractor):
    source = SoundSource(make_sound(4), 4)
    once = extractor.extract(source)
    again = VGGish(device="cpu").extract(source)
    assert once.values.tobytes() == again.values.tobytes()
    assert once.weights == again.weights


def test_another_seed_gives_another_network(extractor):
    other = draw_random(1)
    assert other.weights != extractor.weights
    filters = (net.features[0].weight for net in (other.network, extractor._network))
    assert not torch.equal(*filters)
    assert not torch.equal(other.quantizer.eigen_vectors, extractor.quantizer.eigen_vectors)


def test_random_weights_give_features_that_a_model_can_use(extractor):
    sounds = [make_sound(8, seed) for seed in range(3)] + [np.zeros(8 * HOP, np.float32)]
    rows = np.concatenate([extractor.extract(SoundSource(s, 8)).values for s in sounds])
    at_the_ends = np.isin(rows, (0, 255)).mean()
    assert at_the_ends < 0.2
    assert np.median(rows.std(axis=0)) > 5
    assert (rows.std(axis=0) == 0).sum() == 0


def test_convolution_setting_changes_time_only(extractor, monkeypatch):
    monkeypatch.setattr(extractor, "quantizer", None)
    sound = make_sound(5)
    fast = extractor.embed(sound)
    direct = VGGish(device="cpu", convolution="direct", postprocess=False).embed(sound)
    assert np.abs(fast - direct).max() < 2e-5 * direct.max()


def test_sound_that_is_a_little_short_is_padded_and_marked(extractor):
    known = np.ones(6, bool)
    known[1] = False
    source = SoundSource(make_sound(6, extra=-300), 6, known=known)
    features = extractor.extract(source)
    # Row 0 hears tick 1 too; row 4 hears tick 5, whose end is missing.
    assert features.valid.tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize(
    ("samples", "frames", "message"),
    [
        (np.zeros(16000), 25, "another sample rate"),
        (np.zeros((960, 2)), 1, "one channel"),
        (np.full(1920, 9000.0), 2, "full scale"),
        (np.array([0.0] * 1919 + [np.nan]), 2, "not finite"),
        (np.zeros(960), 1, "at least two"),
    ],
)
def test_sound_that_does_not_fit_is_refused(extractor, samples, frames, message):
    with pytest.raises(InputError, match=message):
        extractor.extract(SoundSource(samples.astype(np.float32), frames, name="s1, role a"))


@pytest.mark.parametrize(
    "settings",
    [
        {"variant": "third"},
        {"convolution": "magic"},
        {"device": "abacus"},
        {"weights": "no-such-file.pth"},
    ],
)
def test_unknown_settings_are_refused(settings):
    with pytest.raises(InputError, match="accepted"):
        VGGish(**{"device": "cpu"} | settings)


def test_original_variant_embeds_but_has_no_row_per_frame(extractor, monkeypatch):
    loaded = LoadedVGGish(extractor._network, extractor.quantizer, "test", pretrained=False)
    monkeypatch.setattr("react24.streams.vggish.load_vggish", lambda *_: loaded)
    original = VGGish(variant="original", device="cpu")
    assert original.sample_rate == 16000
    assert original.embed(np.zeros(2 * 15600, np.float32)).shape == (2, 128)
    assert original.embed(np.zeros(15000, np.float32)).shape == (0, 128)
    with pytest.raises(InputError, match="embed"):
        original.extract(SoundSource(np.zeros(16000, np.float32), 25))


def test_weights_from_files(extractor, tmp_path):
    quantizer = extractor.quantizer
    torch.save(dict(extractor._network.state_dict()), tmp_path / "net.pth")
    arrays = {
        "pca_eigen_vectors": quantizer.eigen_vectors.numpy(),
        "pca_means": quantizer.means.numpy().ravel().astype(np.float64),
    }
    torch.save(arrays, tmp_path / "pca.pth")
    with pytest.raises(InputError, match="no PCA parameters"):
        VGGish(str(tmp_path / "net.pth"), device="cpu")
    loaded = VGGish(str(tmp_path / "net.pth"), pca=str(tmp_path / "pca.pth"), device="cpu")
    source = SoundSource(make_sound(3), 3)
    features = loaded.extract(source)
    np.testing.assert_array_equal(features.values, extractor.extract(source).values)
    assert features.pretrained
    assert features.weights.startswith("net.pth ")
    assert "; pca.pth " in features.weights


class Evil:
    def __reduce__(self):
        return (open, ("stolen", "w"))


def test_files_with_anything_but_arrays_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"pca_means": Evil()}, tmp_path / "evil.pth")
    torch.save({"pca_means": np.array([Evil()], object)}, tmp_path / "objects.pth")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("not a torch file")
    for name in ("evil.pth", "objects.pth", "text.pth"):
        with pytest.raises(InputError, match=name):
            read_pca(tmp_path / name)
    with pytest.raises(InputError, match="pca_means missing"):
        read_pca(tmp_path / "other.pth")
    with pytest.raises(InputError, match="not VGGish weights"):
        VGGish(str(tmp_path / "other.pth"), device="cpu")
    assert not (tmp_path / "stolen").exists()


def test_pca_file_as_it_was_written_with_numpy_1(tmp_path):
    generator = np.random.default_rng(0)
    arrays = {
        "pca_eigen_vectors": generator.standard_normal((128, 128)),
        "pca_means": generator.standard_normal(128),
    }
    path = tmp_path / "old.pth"
    torch.save(arrays, path, _use_new_zipfile_serialization=False)
    written = path.read_bytes()
    assert b"numpy._core.multiarray" in written
    path.write_bytes(written.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    found = read_pca(path)
    np.testing.assert_array_equal(found.eigen_vectors, arrays["pca_eigen_vectors"].astype("f4"))
    np.testing.assert_array_equal(found.means[:, 0], arrays["pca_means"].astype("f4"))
