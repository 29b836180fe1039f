"""Published weights of Trans-VAE become weights that sampling takes."""

import numpy as np
import pytest
import torch
from helpers.official_export import export_transvae

from react24.errors import InputError
from react24.models.convert import convert_checkpoint
from react24.models.transvae.network import TransVAE
from react24.models.transvae.settings import read_settings
from react24.training import export

SMALL = {"width": 16, "heads": 2, "feed_forward": 32}


def settings(variant="official", online=False, **changes):
    section = {**SMALL, "online": online, **changes}
    return {"type": "transvae", "variant": variant, "transvae": section}


def checkpoint(folder, online):
    """A checkpoint as the official training writes it, and the network it is of."""
    torch.manual_seed(5)
    model = TransVAE(read_settings(settings(online=online)).transvae)
    state = export_transvae(model)
    state["reaction_decoder.PE.pe"] = torch.zeros(5000, 1, 16)
    if not online:
        state |= {"fusion.weight": torch.zeros(16, 99), "fusion.bias": torch.zeros(16)}
    whole = {"epoch": 50, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}
    torch.save(whole, folder / "best_checkpoint.pth")
    return folder / "best_checkpoint.pth", model


def converted(folder, path, values, **files):
    output = {"transvae": folder / "transvae"}
    convert_checkpoint(values, {"transvae": path, **files}, output)
    return export.read_weights(output["transvae"])


@pytest.mark.parametrize("online", [False, True])
def test_converted_weights_are_those_of_the_file(tmp_path, online):
    path, model = checkpoint(tmp_path, online)
    mean = np.linspace(-1, 1, 58, dtype=np.float32)
    np.save(tmp_path / "mean_face.npy", mean.reshape(1, 58))
    values = settings(online=online)
    found = converted(tmp_path, path, values, mean_face=tmp_path / "mean_face.npy")
    assert found.keys() == model.state_dict().keys()
    for name, value in model.named_parameters():
        assert torch.equal(found[name], value), name
    np.testing.assert_array_equal(found["coefficient_mean"], mean)
    assert (found["coefficient_scale"] == 1).all()


def test_a_checkpoint_of_the_other_kind_says_what_it_is(tmp_path):
    path, _ = checkpoint(tmp_path, online=True)
    with pytest.raises(InputError, match=r"Trans-VAE, online.*expected.*Trans-VAE, offline"):
        converted(tmp_path, path, settings())


def test_settings_that_official_weights_do_not_know_are_refused(tmp_path):
    path, _ = checkpoint(tmp_path, online=True)
    with pytest.raises(InputError, match=r"speaker_positions is True.*norm_statistics.*variant"):
        converted(tmp_path, path, settings("fixed", online=True))
    with pytest.raises(InputError, match=r"transvae.width|wrong shape"):
        converted(tmp_path, path, settings(online=True, width=32))


def test_a_wrong_mean_face_is_refused(tmp_path):
    path, _ = checkpoint(tmp_path, online=False)
    np.save(tmp_path / "mean_face.npy", np.zeros(50))
    with pytest.raises(InputError, match="58 mean coefficients"):
        converted(tmp_path, path, settings(), mean_face=tmp_path / "mean_face.npy")
