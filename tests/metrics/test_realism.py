"""FRRea. All weights here are random ones that the tests hand over; none are published."""

import json

import cv2
import numpy as np
import pytest
import torch
from helpers import official_factory as factory
from parity import recipes

from react24.cli.main import main
from react24.errors import InputError
from react24.metrics.frrea.frrea import find_pictures, frechet_distance, frrea, read_picture
from react24.metrics.frrea.inception import Inception


@pytest.fixture(scope="module")
def weights():
    """All tensors of the network by the recipe of the reference values."""
    state = Inception.shapes()
    drawn = recipes.weights(state, gain=1.4)
    counters = {name: torch.tensor(0) for name in state if name not in drawn}
    return {name: torch.from_numpy(value) for name, value in drawn.items()} | counters


def test_features_are_those_of_the_official_program(weights):
    """Reference: pytorch_fid 0.3.0 with the same weights and pictures."""
    tags = [f"fid_inception/public/picture{i}" for i in range(2)]
    noise = np.stack([recipes.normal_input(tag, (3, 224, 224), 0.25) for tag in tags])
    with torch.inference_mode():
        found = Inception(weights)(torch.from_numpy((noise + 0.5).clip(0, 1)))
    expected = recipes.read("fid_inception")["features"]
    assert recipes.error(found, expected) < 2e-5
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * np.abs(expected).max()


def test_other_weights_are_refused(weights):
    with pytest.raises(InputError, match=r"not the weights of FID-Inception.*Mixed_7c"):
        Inception({name: t for name, t in weights.items() if "Mixed_7c" not in name})


class Mean(torch.nn.Module):
    """Stands in for the network: the mean of each colour, by 100."""

    num_features = 3

    def __init__(self, weights):
        super().__init__()

    def forward(self, pictures):
        return 100 * pictures.mean(dim=(2, 3))


def write_pictures(folder, colours, size=(8, 8), start=0):
    folder.mkdir(parents=True, exist_ok=True)
    for number, colour in enumerate(colours, start=start):
        picture = np.broadcast_to(np.array(colour, np.uint8), (*size, 3))
        cv2.imwrite(str(folder / f"{number}.png"), picture[..., ::-1])


@pytest.fixture
def colours(tmp_path):
    rng = np.random.default_rng(0)
    real = rng.integers(0, 200, (40, 3))
    made = np.stack([rng.integers(0, 80, 50), rng.integers(0, 255, 50), rng.integers(0, 9, 50)], 1)
    write_pictures(tmp_path / "real", real)
    write_pictures(tmp_path / "made", made)
    return tmp_path, real, made


def test_distance_is_that_of_two_gaussians(colours, monkeypatch):
    """Against the formula with SciPy's matrix square root."""
    from scipy.linalg import sqrtm

    monkeypatch.setattr("react24.metrics.frrea.inception.Inception", Mean)
    folder, *arrays = colours
    x, y = (100 * (a / 255) for a in arrays)
    product = np.cov(x.T) @ np.cov(y.T)
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(np.cov(x.T) + np.cov(y.T))
    expected -= 2 * np.trace(sqrtm(product).real)
    paths = [find_pictures(folder / name) for name in ("real", "made")]
    for size in (7, 64):
        found = frechet_distance(*paths, {}, batch_size=size, device="cpu")
        assert found == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(paths[0], paths[0], {}, device="cpu") == pytest.approx(0, abs=1e-4)


def test_small_numbers_by_hand(tmp_path, monkeypatch):
    """Red 0 and 51 against 102 and 255, as shares of 100: means 10 and 70, variances 200, 1800:
    60² + 200 + 1800 - 2 sqrt(200 · 1800) = 4400."""
    monkeypatch.setattr("react24.metrics.frrea.inception.Inception", Mean)
    write_pictures(tmp_path / "real", [(0, 0, 0), (51, 0, 0)])
    write_pictures(tmp_path / "made", [(102, 0, 0), (255, 0, 0)], size=(5, 9))
    paths = [find_pictures(tmp_path / name) for name in ("real", "made")]
    assert frechet_distance(*paths, {}, device="cpu") == pytest.approx(4400, rel=1e-5)


def test_pictures_are_found_in_the_order_of_their_numbers(tmp_path):
    write_pictures(tmp_path / "b", [(i, 0, 0) for i in range(62)], start=1)
    write_pictures(tmp_path / "a" / "c", [(9, 9, 9)] * 3)
    write_pictures(tmp_path / ".hidden", [(9, 9, 9)])
    (tmp_path / "b" / "._1.png").touch()
    (tmp_path / "b" / "notes.txt").touch()
    found = [str(path.relative_to(tmp_path)) for path in find_pictures(tmp_path, every=30)]
    assert found == ["a/c/0.png", "b/1.png", "b/31.png", "b/61.png"]
    assert len(find_pictures(tmp_path)) == 65
    np.testing.assert_array_equal(read_picture(tmp_path / "b" / "31.png")[0, 0], [30, 0, 0])


def test_what_is_refused(colours, tmp_path):
    folder, *_ = colours
    with pytest.raises(InputError, match="random weights measures nothing"):
        frrea(folder / "real", folder / "made", weights="random")
    with pytest.raises(InputError, match="nowhere: no such folder"):
        find_pictures(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: 0 pictures; at least 2"):
        find_pictures(tmp_path / "empty")
    with pytest.raises(InputError, match="at least 1"):
        find_pictures(folder / "real", every=0)
    (folder / "real" / "0.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"real/0\.png: not a readable picture"):
        read_picture(folder / "real" / "0.png")
    with pytest.raises(InputError, match="no such file or folder"):
        frrea(folder / "real", folder / "made", weights="missing.pth")


def test_command_with_and_without_frames(colours, weights, tmp_path, monkeypatch, capsys):
    """The whole path with a file of weights; each number of the JSON has a value or a reason."""
    folder, *_ = colours
    behaviour = factory.react_behaviour(6)
    factory.write_official(tmp_path / "data", behaviour)
    np.save(tmp_path / "p.npy", factory.predict(behaviour))
    torch.save(weights, tmp_path / "fid.pth")
    words = f"evaluate --predictions {tmp_path}/p.npy --data {tmp_path}/data --split val"
    words = [*words.split(), "--metrics", "FRVar", "--json", f"{tmp_path}/out.json"]
    assert main(words) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert list(found["official"]) == ["FRVar"]
    assert found["FRRea"]["value"] is None
    assert "no frames" in found["FRRea"]["reason"]
    assert "FRRea" in capsys.readouterr().out
    frames = [f"--frames-real={folder}/real", f"--frames-made={folder}/made", "--frames-every=20"]
    assert main([*words, *frames, f"--frames-weights={tmp_path}/fid.pth"]) == 0
    found = json.loads((tmp_path / "out.json").read_text())["FRRea"]
    assert (found["frames_real"], found["frames_made"]) == (2, 3)
    assert found["value"] > 0
    assert found["weights"].startswith("fid.pth ")
    assert main([*words, frames[0]]) == 1
    assert "--frames-made" in capsys.readouterr().err
