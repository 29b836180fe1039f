"""The Swin-T features against the published network's values, weights files, the extractor."""

import numpy as np
import pytest
import torch
from helpers.faces_factory import write_session
from parity import recipes, swin_recipes

from react24 import streams
from react24.errors import InputError
from react24.faces.crop import VIEW, crop_square
from react24.files import contract
from react24.streams.extract import extract_session
from react24.streams.sources import PictureSource
from react24.streams.swin import Swin, make_model, map_keys, prepare

TOLERANCE = 2e-5  # of a tensor's maximum


@pytest.fixture(scope="module")
def official():
    """The state dict of the published code, with what it holds beside weights."""
    state = {k: torch.from_numpy(v) for k, v in recipes.weights(official_shapes()).items()}
    index = torch.from_numpy(swin_recipes.position_index())
    for key in [k for k in state if k.endswith("relative_position_bias_table")]:
        state[key.replace("bias_table", "index")] = index
    state["layers.0.blocks.1.attn_mask"] = torch.zeros(64, 49, 49)
    return state


def official_shapes():
    return swin_recipes.official_shapes()


@pytest.fixture(scope="module")
def file(official, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "swin_fer.pth"
    torch.save(official, path)
    return path


@pytest.fixture(scope="module")
def extractor(file):
    return Swin(str(file), device="cpu")


@pytest.fixture(scope="module")
def reference():
    return recipes.read("swin_fer")


@pytest.fixture(scope="module")
def random_extractor():
    return Swin("random", seed=3, device="cpu")


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 224, 224, 3)).astype(np.uint8)


def face(mouth, shade=0):
    """A drawing: an oval, two eyes, a mouth that is ``mouth`` pixels open."""
    rows, columns = np.mgrid[:224, :224]
    inside = ((rows - 112) / 100) ** 2 + ((columns - 112) / 75) ** 2 < 1
    picture = np.full((224, 224, 3), 90 + shade, np.uint8)
    picture[inside] = (200, 160, 140)
    for column in (82, 142):
        picture[80:92, column - 12 : column + 12] = 40
    opened = ((rows - 160) / (2 + mouth)) ** 2 + ((columns - 112) / 28) ** 2 < 1
    picture[opened] = (110, 30, 30)
    return picture


# The published values


def test_every_node_of_the_network(extractor, official, reference):
    nodes = {}
    model = extractor._network
    parts = {
        "patch_embed": model.embeddings,
        **{f"stage{i}": model.encoder.layers[i] for i in range(4)},
    }

    def keep(name):
        return lambda module, inputs, outputs: nodes.update({name: outputs[0]})

    hooks = [part.register_forward_hook(keep(name)) for name, part in parts.items()]
    with torch.inference_mode():
        images = (torch.from_numpy(swin_recipes.make_images()) - 0.5) / 0.5
        features = extractor._network(images).pooler_output
        logits = features @ official["head.weight"].T + official["head.bias"]
    for hook in hooks:
        hook.remove()
    assert recipes.error(nodes["patch_embed"][:, ::49, ::4], reference["patch_embed_s"]) < TOLERANCE
    assert recipes.error(nodes["stage0"][:, ::49, ::8], reference["stage0_s"]) < TOLERANCE
    for stage in (1, 2, 3):
        found = nodes[f"stage{stage}"][:, ::7, ::8]
        assert recipes.error(found, reference[f"stage{stage}_s"]) < TOLERANCE
    assert recipes.error(features, reference["features"]) < TOLERANCE
    assert recipes.error(logits, reference["logits"]) < TOLERANCE


def test_a_picture_of_256_pixels(extractor, reference):
    """A face that fills its picture, as in REACT's clips, is cut as the published code cuts it."""
    crop = crop_square(swin_recipes.make_picture(), 128.0, 128.0, VIEW * 256, 224)
    np.testing.assert_array_equal(crop.transpose(2, 0, 1)[:, ::8, ::8], reference["picture_u8"])
    features = extractor.embed(crop[None])[0]
    assert recipes.error(features, reference["picture_features"]) < TOLERANCE


def test_values_of_pictures():
    found = prepare(torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8))
    assert found.shape == (1, 3, 1, 1)
    np.testing.assert_allclose(found.flatten(), [-1.0, -0.6, 1.0], atol=1e-6)


# Weights


def test_a_file_is_named_and_its_digest_kept(extractor, file):
    assert extractor.pretrained
    assert extractor.weights == f"swin_fer.pth {contract.sha256_file(file)}"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"backbone.patch_embed.proj.weight": (96, 3, 4, 4)}, "of OpenGraphAU"),
        ({"head.fc.weight": (7, 768)}, "of timm's Swin"),
        ({"features.0.0.weight": (96, 3, 4, 4)}, "of torchvision's Swin"),
        ({"embeddings.norm.weight": (96,), "swin.layernorm.weight": (768,)}, "of transformers'"),
        ({"module.norm.weight": (768,)}, "trained on several GPUs"),
        ({"model": ()}, "weights under `model`"),
        ({"features.0.weight": (64, 1, 3, 3), "embeddings.0.weight": (4096, 12288)}, "of VGGish"),
        ({"norm.weight": (768,)}, "e.g. .*: expected .*, found none"),
    ],
)
def test_other_weights_are_told_what_they_are(tmp_path, keys, words):
    state = {key: torch.zeros(shape) for key, shape in keys.items()}
    with pytest.raises(InputError, match=words) as error:
        map_keys(state, make_model(), tmp_path / "other.pth")
    assert "swin_fer.pth of REGNN" in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"head.weight": torch.zeros(1000, 768)}, "shape .1000, 768., as for ImageNet"),
        ({"norm.weight": torch.zeros(1024)}, r"norm.weight: expected .768,., found .1024,"),
        ({"extra.weight": torch.zeros(2)}, "extra.weight: expected no such key"),
        (
            {"layers.0.blocks.0.attn.relative_position_index": torch.zeros(49, 49).long()},
            "relative_position_index numbers",
        ),
    ],
)
def test_wrong_tensors_are_named(official, tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        map_keys({**official, **change}, make_model(), tmp_path / "swin_fer.pth")


def test_the_classifier_may_be_missing(official, tmp_path):
    state = {key: value for key, value in official.items() if not key.startswith("head.")}
    mapped = map_keys(state, make_model(), tmp_path / "swin_fer.pth")
    assert set(mapped) == set(make_model().state_dict())


def test_random_weights_depend_on_the_seed(random_extractor):
    same, other = Swin(seed=3, device="cpu"), Swin(seed=4, device="cpu")
    assert not random_extractor.pretrained
    assert random_extractor.weights.startswith("random-swin-seed3 ")
    assert same.weights == random_extractor.weights != other.weights
    shown = pictures(1)
    assert np.array_equal(same.embed(shown), random_extractor.embed(shown))
    assert np.abs(other.embed(shown) - random_extractor.embed(shown)).max() > 0.1


def test_random_weights_tell_faces_and_expressions_apart(random_extractor):
    mouths = np.stack([face(mouth) for mouth in (0, 4, 8, 16)])
    shut, little, more, wide = random_extractor.embed(mouths)
    size = np.abs(shut).mean()
    assert 0.3 < size < 3
    steps = [np.abs(row - shut).mean() for row in (little, more, wide)]
    assert 0.02 * size < steps[0] < steps[1] < steps[2]
    brighter = random_extractor.embed(face(0, shade=60)[None])[0]
    assert np.abs(brighter - shut).mean() > 0.02 * size


# The extractor


def test_batches_do_not_show(random_extractor):
    shown = pictures(5)
    features = random_extractor.extract(PictureSource(list(shown), np.ones(5, bool)))
    one_by_one = [random_extractor.embed(picture[None])[0] for picture in shown]
    np.testing.assert_allclose(features.values, one_by_one, atol=1e-5)
    assert features.values.dtype == np.float32
    assert features.feature_names[0] == "swin_000"
    assert len(features.feature_names) == 768


def test_a_picture_that_stays_is_computed_once(random_extractor, monkeypatch):
    a, b = pictures(2)
    order = [a, a, a, b, b.copy(), a, b, b]
    seen = []
    embed = random_extractor.embed
    monkeypatch.setattr(random_extractor, "embed", lambda p: seen.append(len(p)) or embed(p))
    features = random_extractor.extract(PictureSource(iter(order), np.ones(8, bool)))
    assert sum(seen) == 4
    of_a, of_b = embed(np.stack([a, b]))
    expected = [of_a if picture is a else of_b for picture in order]
    np.testing.assert_allclose(features.values, expected, atol=1e-5)


def test_valid_is_that_of_the_source(random_extractor):
    valid = np.array([True, False])
    features = random_extractor.extract(PictureSource(list(pictures(2)), valid))
    assert features.valid.tolist() == [True, False]
    assert np.isfinite(features.values).all()


@pytest.mark.parametrize("frames", [1, 3])
def test_pictures_and_frames_must_agree(random_extractor, frames):
    source = PictureSource(list(pictures(2)), np.ones(frames, bool), "s, role a")
    with pytest.raises(InputError, match=f"s, role a: 2 pictures for {frames} frames"):
        random_extractor.extract(source)


def test_pictures_of_another_size_are_refused(random_extractor):
    with pytest.raises(InputError, match=r"\(256, 256, 3\), expected \(224, 224, 3\)"):
        random_extractor.embed(np.zeros((1, 256, 256, 3), np.uint8))


def test_a_session_from_its_videos(tmp_path):
    media, faces = write_session(tmp_path, "s", 6)
    with contract.h5py.File(faces, "a") as opened:
        opened["b"]["valid"][4] = False
    output = tmp_path / "features.h5"
    settings = {"enabled": None, "weights": "random", "seed": 3}
    files = {"media": media, "faces": faces}
    extract_session(streams.get("swin"), files, output, settings=settings, device="cpu")
    features = contract.read_features(output)
    assert features["a"].values.shape == features["b"].values.shape == (6, 768)
    assert features["a"].valid.all()
    assert np.flatnonzero(~features["b"].valid).tolist() == [4]
    assert np.abs(features["a"].values - features["b"].values).max() > 0.01
    with contract.open_file(output, "features") as opened:
        assert set(contract.read_json(opened, "inputs")) == {"media", "faces"}
        assert opened["a"].attrs["subject"] == "s_a"


def test_files_of_two_sessions_are_refused(tmp_path):
    media, _ = write_session(tmp_path, "one", 5)
    _, faces = write_session(tmp_path, "two", 6)
    files = {"media": media, "faces": faces}
    with pytest.raises(InputError, match=r"session two with \[6\] frames .* session one with 5"):
        extract_session(streams.get("swin"), files, tmp_path / "f.h5", settings={})
