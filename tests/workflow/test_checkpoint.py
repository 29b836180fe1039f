"""A model with published weights is converted, not trained."""

import pytest
import torch
import yaml
from helpers.official_export import export_ldm, export_vae
from helpers.small_project import copy_project, shrink

from react24.models.belfusion.denoiser import LatentDiffusion
from react24.models.belfusion.settings import read_settings
from react24.models.belfusion.vae import BehaviourVAE
from react24.training import export

SIZES = {
    "vae": {"hidden": 16, "latent": 16, "coefficient_hidden": 8},
    "ldm": {"latent": 16, "hidden": 32, "layers": 3},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A small project that has a small BeLFusion's published weights, and trains another one."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    shrink(project)
    path = project.folder / "config/config.yaml"
    config = yaml.safe_load(path.read_text())
    own = config["models"]["belfusion"]
    published = {
        "settings": "config/models/belfusion.yaml",
        "variant": "official",
        "overrides": SIZES,
        "checkpoint": {"vae": "one.pth", "ldm": "two.pth"},
    }
    config["models"] = {"belfusion": own, "published": published}
    path.write_text(yaml.safe_dump(config))
    settings = read_settings({"variant": "official", **SIZES})
    torch.manual_seed(2)
    state, statistics = export_vae(BehaviourVAE(settings.vae))
    torch.save({"state_dict": state, "statistics": statistics}, project.folder / "one.pth")
    state = export_ldm(LatentDiffusion(settings.ldm))
    torch.save({"state_dict": state}, project.folder / "two.pth")
    return project


def test_it_is_converted_and_not_trained(project):
    plan = project.plan()
    assert plan["convert_checkpoint"] == 4  # two stages, two seeds
    assert plan["train_belfusion_vae"] == plan["train_belfusion_ldm"] == 2  # the other model
    assert plan["plot_training"] == 1
    assert plan["sample_reactions"] == 4
    for stage in ("vae", "ldm"):
        project.snakemake(f"results/models/published/seed1/{stage}/model.safetensors")
        folder = project.folder / f"results/models/published/seed1/{stage}"
        description = export.read_description(folder)
        assert description["converted_from"].keys() == {"vae", "ldm"}
        assert description["created_by"] == "convert_checkpoint"
        assert description["seed"] == 1
    assert project.plan()["convert_checkpoint"] == 2
    (project.folder / "one.pth").write_bytes(b"<html>Sign in</html>")
    text = project.snakemake("results/models/published/seed1/vae/model.safetensors", check=False)
    assert "found 'one.pth'; this is a web page" in text
