"""Published files of other kinds are read, or refused with a word on what they are."""

import types
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from react24.errors import InputError
from react24.weights.official_files import OfficialFile, read_official
from react24.weights.recognise import BELFUSION_LDM, BELFUSION_VAE, NETWORKS, REGNN


def saved(path, content, **keywords):
    torch.save(content, path, **keywords)
    return path


@pytest.mark.parametrize("new", [True, False])
def test_state_dicts_and_checkpoints(tmp_path, new):
    state = OrderedDict({"module.a": torch.randn(2, 3), "module.b": torch.arange(3)})
    whole = {
        "epoch": 99, "state_dict": state, "optimizer": {"state": {}, "param_groups": []},
        "statistics": {"min": np.zeros(4, np.float32), "max": torch.ones(4), "n": np.float64(2)},
    }  # fmt: skip
    path = tmp_path / "c.pth"
    content = read_official(saved(path, whole, _use_new_zipfile_serialization=new)).content
    assert torch.equal(content["state_dict"]["module.a"], state["module.a"])
    assert content["epoch"] == 99
    assert content["statistics"]["n"] == 2
    plain = read_official(saved(path, state, _use_new_zipfile_serialization=new)).content
    assert torch.equal(plain["module.b"], state["module.b"])


def test_other_formats(tmp_path):
    tensors = {"a": torch.randn(3, 2)}
    save_file(tensors, tmp_path / "a.safetensors")
    assert torch.equal(read_official(tmp_path / "a.safetensors").content["a"], tensors["a"])
    np.savez(tmp_path / "s.npz", body_mean_Y=np.ones((1, 1, 56)), body_std_Y=np.ones((1, 1, 56)))
    assert read_official(tmp_path / "s.npz").content["body_mean_Y"].shape == (1, 1, 56)
    assert "Learning2Listen's listener" in read_official(tmp_path / "s.npz").describe()
    np.save(tmp_path / "m.npy", np.arange(58))
    assert read_official(tmp_path / "m.npy").content["array"].shape == (58,)
    saved(tmp_path / "t.pt", torch.ones(4))
    assert read_official(tmp_path / "t.pt").describe() == "a single array of 4"


def network_state(name):
    return {key: torch.zeros(2) for key in NETWORKS[name]}


OTHERS = {
    "empty file": (b"", "an empty file"),
    "html": (b"\n<!DOCTYPE html><html>Sign in", "a web page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
    "gzip": (b"\x1f\x8b\x08abc", "gzip archive"),
    "hdf5": (b"\x89HDF\r\n\x1a\nabc", "HDF5"),
    "json": (b'{"message": "Not Found"}', "text, beginning with"),
    "noise": (bytes(range(200, 256)) * 9 + b"\0", "unknown kind"),
    "broken pickle": (b"\x80\x02}q", "plain tensors"),
    "long header": (b"\x10\0\0\0\0\0\0\0{}", "text|unknown"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_named(name, tmp_path):
    data, said = OTHERS[name]
    (tmp_path / "f.pth").write_bytes(data)
    with pytest.raises(InputError, match=rf"f\.pth: .*({said}).*; expected stage 1 of X"):
        read_official(tmp_path / "f.pth", "stage 1 of X")


def test_archives_and_places_that_are_no_files(tmp_path):
    for names, said in ((["a.txt"], "ZIP archive of a.txt"), (["x/code/a.py"], "TorchScript")):
        with zipfile.ZipFile(tmp_path / "f.pth", "w") as target:
            for name in names:
                target.writestr(name, "a")
        with pytest.raises(InputError, match=said):
            read_official(tmp_path / "f.pth")
    with pytest.raises(InputError, match="no such file"):
        read_official(tmp_path / "none.pth")
    with pytest.raises(InputError, match="a folder"):
        read_official(tmp_path)
    for content, said in (([torch.ones(1)], "a list"), (4, "an? int")):
        with pytest.raises(InputError, match=said):
            read_official(saved(tmp_path / "f.pth", content))
    objects = np.array([{}], dtype=object)
    np.savez(tmp_path / "f.npz", a=objects)
    np.save(tmp_path / "f.npy", objects)
    for name in ("f.npz", "f.npy"):
        with pytest.raises(InputError, match=rf"{name}: damaged.*allow_pickle=False"):
            read_official(tmp_path / name)


def test_arrays_of_other_things_than_numbers_are_refused(tmp_path):
    np.savez(tmp_path / "f.npz", a=np.ones(2), b=np.array(["one"]))
    np.save(tmp_path / "f.npy", np.array([1j]))
    for name, said in (("f.npz", "b holds <U3"), ("f.npy", "the array holds complex128")):
        with pytest.raises(InputError, match=f"{name}: {said} and not numbers"):
            read_official(tmp_path / name)


@pytest.mark.parametrize("name", NETWORKS)
def test_known_networks_are_recognised(name):
    state = network_state(name)
    prefixed = {f"module.{key}": value for key, value in state.items()}
    for content in (state, prefixed, {"state_dict": prefixed, "epoch": 3, "optimizer": {}}):
        file = OfficialFile("f.pth", content)
        assert f"a state_dict of {name}" in file.describe()
        assert set(file.state(name)) == set(state)
    whole = OfficialFile(
        "f.pth", {"class": "models.mhp.MHP", "state_dict": state, "attributes": {}}
    )
    assert (
        whole.describe()
        == f"a whole pickled network of class models.mhp.MHP, a state_dict of {name}"
    )
    other = REGNN if name != REGNN else BELFUSION_LDM
    with pytest.raises(InputError, match=r"f\.pth: this is .*; expected a state_dict of"):
        file.state(other)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"state": {}, "param_groups": []}, "the state of an optimiser"),
        ({"w": torch.zeros(2, 3)}, "an unknown network (1 tensors: w 2x3)"),
        ({"state_dict": {"w": torch.zeros(2)}, "callbacks": {}}, "a checkpoint of PyTorch Lightn"),
        ({"epoch": 7, "state_dict": network_state(BELFUSION_VAE)}, "epoch 7) with a state_dict of"),
        ({"min": 1, "max": 2, "mean": 0, "std": 1, "var": 1}, "statistics of BeLFusion's codes"),
        ({"body_mean_X": 1, "body_std_X": 1, "body_mean_audio": 1}, "speaker and sound (stage 2)"),
        ({"a": 1, "b": [2]}, "a dict of a, b"),
        ({}, "an empty dict"),
    ],
)
def test_other_contents_are_described(content, said):
    assert said in OfficialFile("f.pth", content).describe()


def test_lightning_checkpoints_that_cannot_be_read_are_named(tmp_path):
    content = {"pytorch-lightning_version": "2.0", "hyper_parameters": types.SimpleNamespace(a=1)}
    with pytest.raises(InputError, match="checkpoint of PyTorch Lightning"):
        read_official(saved(tmp_path / "f.ckpt", content))
