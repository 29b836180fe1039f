"""The stream of ``docs/add_a_stream.md``, and what the page promises of streams and backends."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers.small_project import Project

from react24 import streams
from react24.contracts.stream import Backend, Stream
from react24.errors import InputError, InputErrors
from react24.files import contract
from react24.project.config import load_settings
from react24.project.load import Project as Plan
from react24.streams.extract import open_extractors
from react24.streams.sources import SoundSource
from react24.workflow.jobs import Jobs

ROOT = Path(__file__).resolve().parents[2]
SECTION = {"type": "examples/pitch.py", "enabled": True}


def settings(**section):
    return load_settings({"streams": {"pitch": SECTION | section}, "models": {}}, ROOT)


def test_it_is_as_short_as_the_page_says():
    page = (ROOT / "docs/add_a_stream.md").read_text()
    assert "in 40 lines" in page
    assert len((ROOT / "examples/pitch.py").read_text().splitlines()) <= 40


def test_it_hears_a_tone():
    section = settings(low=100)["streams"]["pitch"]
    stream = streams.get("pitch", section, ROOT)
    (extractor,) = open_extractors(stream, section)
    times = np.arange(50 * 640) / extractor.sample_rate
    known = np.ones(50, bool)
    known[7] = False
    tone = (0.5 * np.sin(2 * np.pi * 200 * times)).astype(np.float32)
    features = extractor.extract(SoundSource(tone, 50, known))
    assert features.values.shape == (50, stream.width)
    np.testing.assert_allclose(features.values[5:45, 0], 1.0, atol=0.02)  # an octave above 100 Hz
    np.testing.assert_allclose(features.values[:, 1], 10 * np.log10(0.125), atol=0.3)
    assert np.flatnonzero(~features.valid).tolist() == [7]


def test_one_section_of_the_configuration_adds_it():
    made = settings(low=70)
    assert made.streams == ("graphau", "faceverse", "pitch")
    assert made.hears
    jobs = Jobs(Plan(made, ()))
    assert jobs.section("pitch") == {"type": "examples/pitch.py", "low": 70.0}
    assert jobs.all_streams["pitch"].width == 2
    assert jobs.stream_environment("pitch") == "../../envs/torch.yaml"
    assert jobs.stream_code("pitch") != jobs.stream_code("mfcc")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"lwo": 3}, r"streams\.pitch\.lwo: unknown key; did you mean streams\.pitch\.low\?"),
        ({"low": "deep"}, r"streams\.pitch\.low: found 'deep'; accepted is a number"),
        ({"type": "examples/pich.py"}, r"streams\.pitch\.type: .*pich\.py: no such file"),
        ({"type": "examples/echo.py"}, r"streams\.pitch\.type: .* must define STREAM, a Stream"),
    ],
)
def test_mistakes_are_told_by_name(section, message):
    with pytest.raises(InputErrors, match=message):
        settings(**section)


def test_its_name_is_that_of_the_section():
    with pytest.raises(InputError, match="defines a stream called 'pitch'; accepted is a file"):
        streams.get("voice", SECTION, ROOT)


def test_an_environment_of_ones_own_lies_beside_the_file(tmp_path):
    code = (ROOT / "examples/pitch.py").read_text()
    code = code.replace('"torch"', '"hum.yaml"').replace("pitch", "hum")
    (tmp_path / "hum.py").write_text(code)
    section = {"type": str(tmp_path / "hum.py")}
    jobs = Jobs(Plan(load_settings({"streams": {"hum": section}, "models": {}}, ROOT), ()))
    assert jobs.stream_environment("hum") == str(tmp_path / "hum.yaml")
    assert jobs.stream_folder("hum") == tmp_path
    assert jobs.stream_folder("vggish") is None


def test_one_row_adds_a_stream(monkeypatch):
    backend = Backend("sound", "react24.streams.mfcc:MFCC", "core", gpu=True)
    row = Stream("hum", 3, {"plain": backend}, "a hum", settings=None)
    monkeypatch.setitem(streams.STREAMS, "hum", row)
    made = load_settings({"streams": {"hum": {"enabled": True}}, "models": {}}, ROOT)
    assert made.streams == ("graphau", "faceverse", "hum")
    assert made.hears
    jobs = Jobs(Plan(made, ()))
    asked = jobs.stream_resources("hum")
    assert asked.pop("gpu") == 1
    assert {k: ask(None, attempt=2) for k, ask in asked.items()} == {"mem_mb": 3000, "runtime": 120}
    with pytest.raises(InputErrors, match=r"streams\.hum\.enabld: .*did you mean"):
        load_settings({"streams": {"hum": {"enabld": True}}, "models": {}}, ROOT)


def test_one_entry_adds_a_backend(monkeypatch):
    other = Backend("pictures", "react24.streams.swin:Swin", "torch", "looks again", weights=("x",))
    row = streams.STREAMS["graphau"]
    row = replace(row, backends={**row.backends, "again": other})
    monkeypatch.setitem(streams.STREAMS, "graphau", row)

    def jobs(backend):
        sections = {"graphau": {"backend": backend, "weights": "x"}}
        return Jobs(Plan(load_settings({"streams": sections, "models": {}}, ROOT), ()))

    assert jobs("again").backend("graphau") == other
    assert jobs("again").stream_environment("graphau") == "../../envs/torch.yaml"
    assert jobs("again").face_streams == ["faceverse"]
    with pytest.raises(InputErrors, match="landmarks, blendshapes, again"):
        jobs("agian")
    described = row.settings_model().model_fields["backend"].description
    assert "`again` looks again" in described


@pytest.mark.slow
def test_the_workflow_makes_its_clips(finished, tmp_path):
    project = Project(tmp_path / "project")
    shutil.copytree(finished.folder, project.folder, symlinks=True)
    shutil.copytree(ROOT / "examples", project.folder / "examples")
    path = project.folder / "config/config.yaml"
    config = yaml.safe_load(path.read_text())
    config["streams"]["pitch"] = SECTION
    path.write_text(yaml.safe_dump(config))
    plan = project.plan()
    assert plan["extract_pitch"] == plan["window_clips"] == 3
    assert not {"extract_graphau", "track_faces", "train_belfusion_vae"} & set(plan)
    project.snakemake("results/clips/pitch/test.h5")
    with contract.h5py.File(project.folder / "results/clips/pitch/test.h5") as clips:
        assert clips["native"].shape[1:] == clips["zscored"].shape[1:] == (750, 2)
    code = project.folder / "examples/pitch.py"
    code.write_text(code.read_text() + "\nCHANGED = 1\n")
    assert project.plan()["extract_pitch"] == 3
