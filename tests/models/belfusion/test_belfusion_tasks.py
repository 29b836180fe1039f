import json
import logging

import pytest
import torch
from helpers import clips_factory, stages
from helpers.stages import read_history
from safetensors.torch import load_file

from react24.errors import InputError
from react24.models.belfusion import tasks
from react24.models.belfusion.settings import read_settings
from react24.models.belfusion.tasks import load_vae
from react24.training.lease import hold

TINY = {
    "type": "belfusion",
    "variant": "fixed",
    "vae": {
        "hidden": 16, "latent": 16, "read_out": [8], "coefficient_hidden": 8,
        "epochs": 4, "batch_size": 2,
    },
    "ldm": {"hidden": 32, "layers": 3, "draws": 2, "epochs": 4, "batch_size": 2},
    "training": {"validate_every": 2, "checkpoint_steps": 3},
}  # fmt: skip
WIDE = {**TINY, "vae": {**TINY["vae"], "hidden": 32, "latent": 32}}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return (
        clips_factory.write_streams(folder, 3),
        clips_factory.write_streams(folder, 2, split="val", seed=5),
    )


def vae_into(folder, clips, settings=TINY, **keywords):
    return stages.train(folder, "vae", settings, *clips, **keywords)


def ldm_into(folder, clips, vae_dir, settings=TINY, **keywords):
    return stages.train(folder, "ldm", settings, *clips, needed={"vae": vae_dir}, **keywords)


@pytest.fixture(scope="module")
def trained(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    vae_dir = vae_into(folder, clips)
    return vae_dir, ldm_into(folder, clips, vae_dir)


def test_both_stages_leave_weights_description_and_history(trained):
    for folder, terms in zip(
        trained, ({"emotion", "kld", "coefficients"}, {"code", "emotion"}), strict=True
    ):
        history = read_history(folder / "history.h5")
        assert history.train.keys() == {"step", "epoch", "loss", *terms}
        assert history.train["step"] == [2, 4, 6, 8]
        assert history.val["epoch"] == [1, 3]
        description = json.loads((folder / "model.json").read_text())
        assert description["seed"] == 0
        assert description["pretrained"] is False
        assert description["config"]["variant"] == "fixed"
        assert (folder / "training.json").exists()
    assert json.loads((trained[0] / "model.json").read_text())["inputs"].keys() == {
        "train_graphau", "train_faceverse", "val_graphau", "val_faceverse",
    }  # fmt: skip


def test_the_statistics_travel_with_the_weights(trained, clips):
    vae = load_vae(load_file(trained[0] / "model.safetensors"), read_settings(TINY).vae)
    native = torch.from_numpy(clips_factory.behaviour(3, 25))
    codes = vae.encode(native.unflatten(1, (15, 50))).detach().flatten(0, 1)
    torch.testing.assert_close(vae.code_minimum, codes.amin(0))
    torch.testing.assert_close(vae.code_maximum, codes.amax(0))
    face = torch.from_numpy(clips_factory.behaviour(3, 58)).flatten(0, 1)
    torch.testing.assert_close(vae.coefficient_mean, face.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(vae.coefficient_std, face.std(0), rtol=1e-3, atol=1e-5)


def test_training_again_gives_the_same_bytes(trained, clips, tmp_path):
    again = vae_into(tmp_path, clips)
    for name in ("model.safetensors", "model.json", "history.h5"):
        assert (again / name).read_bytes() == (trained[0] / name).read_bytes(), name


def test_clips_read_from_disk_give_the_same_weights(trained, clips, tmp_path):
    settings = {**TINY, "training": {**TINY["training"], "max_memory_mb": 0}}
    again = vae_into(tmp_path, clips, settings)
    names = [folder / "model.safetensors" for folder in (trained[0], again)]
    assert names[0].read_bytes() == names[1].read_bytes()


def test_an_interrupted_second_stage_ends_with_the_same_bytes(
    trained, clips, tmp_path, monkeypatch
):
    real, calls = tasks.LDMTask.make_batch, []

    def failing(self, epoch, step, order):
        calls.append(step)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return real(self, epoch, step, order)

    with monkeypatch.context() as patch:
        patch.setattr(tasks.LDMTask, "make_batch", failing)
        with pytest.raises(KeyboardInterrupt):
            ldm_into(tmp_path, clips, trained[0])
    assert not (tmp_path / "ldm" / "model.safetensors").exists()
    ldm_into(tmp_path, clips, trained[0])
    assert json.loads((tmp_path / "ldm" / "training.json").read_text())["resumed_at_step"] == 3
    for name in ("model.safetensors", "history.h5", "model.json"):
        assert (tmp_path / "ldm" / name).read_bytes() == (trained[1] / name).read_bytes(), name


@pytest.mark.parametrize("keep", [False, True])
def test_a_stage_that_is_done_leaves_what_its_files_can_be_written_from(
    trained, clips, tmp_path, keep
):
    settings = {**TINY, "training": {**TINY["training"], "keep_checkpoints": keep}}
    vae_into(tmp_path, clips, settings)
    left = [path.name.partition(".")[0] for path in sorted((tmp_path / "vae_points").iterdir())]
    assert left == ["finished", *(["step000000006", "step000000008"] if keep else [])]
    for path in (tmp_path / "vae").iterdir():  # as Snakemake does where it did not see the end
        if path.is_file():
            path.unlink()
    vae_into(tmp_path, clips, settings)
    assert json.loads((tmp_path / "vae/training.json").read_text())["resumed_at_step"] == 8
    for name in ("model.safetensors", "history.h5"):
        assert (tmp_path / "vae" / name).read_bytes() == (trained[0] / name).read_bytes(), name


def test_a_stage_is_not_trained_where_another_training_is_at_work(clips, tmp_path):
    with hold(tmp_path / "vae_points"), pytest.raises(InputError, match="at work in this folder"):
        vae_into(tmp_path, clips)
    vae_into(tmp_path, clips)


def test_new_data_discards_the_checkpoints(trained, clips, tmp_path, caplog):
    vae_into(tmp_path, clips)
    other = clips_factory.write_streams(tmp_path / "other", 3, seed=9)
    with caplog.at_level(logging.WARNING):
        vae_into(tmp_path, (other, clips[1]))
    assert "inputs.train_graphau" in caplog.text
    assert json.loads((tmp_path / "vae" / "training.json").read_text())["resumed_at_step"] == 0


def test_settings_of_stage_two_do_not_concern_the_checkpoints_of_stage_one(clips, tmp_path, caplog):
    vae_into(tmp_path, clips)
    with caplog.at_level(logging.WARNING):
        vae_into(tmp_path, clips, {**TINY, "ldm": {**TINY["ldm"], "epochs": 9}})
    assert "discarded" not in caplog.text


def test_the_official_variant_runs_without_validation(clips, tmp_path):
    settings = {**TINY, "variant": "official"}
    vae_dir = vae_into(tmp_path, (clips[0], None), settings)
    ldm_dir = ldm_into(tmp_path, (clips[0], None), vae_dir, settings)
    assert read_history(ldm_dir / "history.h5").val == {}
    weights = load_file(vae_dir / "model.safetensors")
    assert torch.equal(weights["coefficient_std"], torch.ones(58))
    assert weights["coefficient_mean"].abs().min() > 0


def test_the_condition_can_be_zscored(trained, clips, tmp_path):
    folder = ldm_into(tmp_path, clips, trained[0], {**TINY, "speaker_space": "zscored"})
    weights = [load_file(f / "model.safetensors") for f in (trained[1], folder)]
    name = "denoiser.to_code.weight"
    assert not torch.equal(weights[0][name], weights[1][name])


def test_a_stage_one_of_other_settings_is_refused(trained, clips, tmp_path):
    with pytest.raises(InputError, match=r"vae\.hidden: 16 against 32"):
        ldm_into(tmp_path, clips, trained[0], WIDE)


def test_damaged_weights_and_missing_streams_are_named(trained, clips, tmp_path):
    (tmp_path / "vae").mkdir()
    for name in ("model.safetensors", "model.json"):
        (tmp_path / "vae" / name).write_bytes((trained[0] / name).read_bytes())
    (tmp_path / "vae" / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(InputError, match="train this stage again"):
        ldm_into(tmp_path, clips, tmp_path / "vae")
    with pytest.raises(InputError, match="expected stage vae"):
        ldm_into(tmp_path, clips, trained[1])
    with pytest.raises(InputError, match=r"no such file"):
        ldm_into(tmp_path, clips, tmp_path)
    with pytest.raises(InputError, match="the weights of stage vae are missing"):
        stages.train(tmp_path, "ldm", TINY, *clips)
    with pytest.raises(InputError, match="split val: stream faceverse is missing"):
        vae_into(tmp_path, (clips[0], {"graphau": clips[1]["graphau"]}))


def test_the_vae_learns_a_batch(clips, tmp_path):
    settings = {**TINY, "vae": {**TINY["vae"], "epochs": 25, "learning_rate": 0.02}}
    settings["training"] = {"validate_every": 25}
    folder = vae_into(tmp_path, clips, settings)
    history = read_history(folder / "history.h5").train
    assert history["emotion"][-1] < 0.2 * history["emotion"][0]
