import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import react24
from react24 import streams
from react24.cli.main import COMMANDS, main
from react24.errors import InputError
from react24.files import contract
from react24.media import whereabouts
from react24.project.config import load_settings

REPOSITORY = Path(__file__).parents[2]
HEADER = ["session", "split", "video_a", "video_b", "subject_a", "subject_b"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of two sessions whose files pass for readable."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "videos").mkdir()
    rows = [HEADER]
    for i, split in ((1, "train"), (2, "auto")):
        rows.append([f"s{i}", split, f"{i}a.mp4", f"{i}b.mp4", f"p{i}", f"q{i}"])
        for role in "ab":
            (tmp_path / "videos" / f"{i}{role}.mp4").touch()
    (tmp_path / "sessions.tsv").write_text("\n".join("\t".join(row) for row in rows))
    (tmp_path / "mine.yaml").write_text(
        "sessions: sessions.tsv\ncorpus: {root: videos}\ndemo: {enabled: false}\nmodels: {}\n"
        "split: {train: 0.0, val: 0.0, test: 1.0}\nfaces: {max_gap: 7}\n"
    )
    monkeypatch.setattr("react24.media.probe.check_readable", lambda path, **what: [])
    return tmp_path


@pytest.fixture
def called(monkeypatch):
    """Put a recorder in place of a library function."""

    def replace(target):
        calls = []
        monkeypatch.setattr(target, lambda *a, **k: calls.append((a, k)))
        return calls

    return replace


def test_check_lists_sessions_and_splits(project, capsys):
    assert main(["check", "--quick", "--config", "mine.yaml"]) == 0
    out = capsys.readouterr().out
    assert "s2       3    test   p2         q2" in out
    assert "2 session(s): train 1, val 0, test 1. No problems found." in out


def test_check_tells_every_problem_and_fails(project, capsys):
    (project / "mine.yaml").write_text((project / "mine.yaml").read_text() + "sed: 3\n")
    (project / "videos" / "2b.mp4").unlink()
    assert main(["check", "--quick", "--config", "mine.yaml"]) == 1
    err = capsys.readouterr().out
    assert "mine.yaml: sed: unknown key; did you mean seed?" in err
    assert "row 3, column video_b: videos/2b.mp4: no such file" in err


def test_missing_configuration_is_an_error(project, capsys):
    assert main(["check", "--config", "none.yaml"]) == 1
    assert "none.yaml: cannot be read" in capsys.readouterr().err


def test_probe_passes_files_and_settings_on(project, called):
    calls = called("react24.media.probe.probe_session")
    words = "probe a.mp4 b.mp4 -o m.h5 --audio-b b.wav --subject-a anna --config mine.yaml"
    assert main(words.split()) == 0
    ((output,), options) = calls[0]
    assert output == Path("m.h5")
    assert options["roles"]["a"].subject == "anna"
    assert options["roles"]["a"].audio is None
    assert options["roles"]["b"].audio == Path("b.wav")
    assert options["tolerate_damage"] is False


def test_track_takes_its_limits_from_the_configuration(project, called):
    calls = called("react24.faces.track.track_session")
    assert main(["track", "m.h5", "-o", "f.h5", "--config", "mine.yaml"]) == 0
    (places, options) = calls[0]
    assert places == (Path("m.h5"), Path("f.h5"))
    assert (options["max_gap"], options["max_missing"]) == (7, 0.2)
    assert options["model"] == "mediapipe"


def test_recordings_of_the_sheet_are_opened_where_it_says(project, called, monkeypatch):
    monkeypatch.setattr(whereabouts, "_now", {})
    calls = called("react24.streams.extract.extract_session")
    for media in ("s1.h5", "elsewhere/results/media/s1.h5"):
        assert main(["extract", "logmel", media, "-o", "o.h5", "--config", "mine.yaml"]) == 0
    assert whereabouts._now == {}
    media = "results/media/s1.h5"
    assert main(["extract", "logmel", media, "-o", "o.h5", "--config", "mine.yaml"]) == 0
    assert len(calls) == 3
    assert whereabouts._now["s1"]["video_b"] == Path("videos/1b.mp4")


@pytest.mark.parametrize(
    ("stream", "kind"), [("graphau", "faces"), ("wav2vec2", "media"), ("mfcc", "media")]
)
def test_extract_chooses_by_stream(project, called, stream, kind):
    calls = called("react24.streams.extract.extract_session")
    assert main(["extract", stream, "in.h5", "-o", "out.h5", "--config", "mine.yaml"]) == 0
    (places, options) = calls[0]
    assert places == (streams.get(stream), {kind: Path("in.h5")}, Path("out.h5"))
    assert options["settings"] == load_settings({}, REPOSITORY)["streams"][stream]


def test_a_stream_of_pictures_takes_two_files(project, called, capsys):
    calls = called("react24.streams.extract.extract_session")
    words = ["extract", "swin", "faces.h5", "-o", "out.h5", "--config", "mine.yaml"]
    assert main(words) == 1
    assert "give --media too" in capsys.readouterr().err
    assert main([*words, "--media", "media.h5"]) == 0
    ((places, options),) = calls
    files = {"media": Path("media.h5"), "faces": Path("faces.h5")}
    assert places == (streams.get("swin"), files, Path("out.h5"))
    assert options["settings"] == {"enabled": None, "weights": "random", "seed": 0}


def test_an_unknown_stream_is_refused_with_the_nearest(project, capsys):
    words = ["extract", "grapau", "in.h5", "-o", "out.h5", "--config", "mine.yaml"]
    assert main(words) == 1
    assert "no stream 'grapau'; did you mean graphau?" in capsys.readouterr().err


def test_fetch_weights(project, called, capsys):
    calls = called("react24.weights.fetch.fetch")
    assert main(["fetch-weights", "vggish", "--folder", "w"]) == 0
    assert calls == [((name, Path("w")), {}) for name in ("vggish", "vggish_pca")]
    assert main(["fetch-weights"]) == 0
    assert "wav2vec2-base" in capsys.readouterr().out


def with_model(project, checkpoint=""):
    models = (REPOSITORY / "config" / "models" / "belfusion.yaml").read_text()
    (project / "config" / "models").mkdir(parents=True)
    (project / "config" / "models" / "belfusion.yaml").write_text(models)
    entry = f"{{belfusion: {{variant: official{checkpoint}}}}}"
    text = (project / "mine.yaml").read_text().replace("models: {}", f"models: {entry}")
    (project / "mine.yaml").write_text(text)
    return ["convert-checkpoint", "belfusion", "--config", "mine.yaml", "-o", "out"]


def test_convert_checkpoint_takes_files_by_name(project, called):
    calls = called("react24.models.convert.convert_checkpoint")
    command = with_model(project)
    files = ["--file", "vae=1.pth", "--file", "ldm=b/2.pth", "--clips", "graphau=c.h5"]
    assert main([*command, *files]) == 0
    ((settings, found, output), options) = calls[0]
    assert settings["variant"] == "official"
    assert found == {"vae": Path("1.pth"), "ldm": Path("b/2.pth")}
    assert output == {"vae": Path("out/vae"), "ldm": Path("out/ldm")}
    assert options["clips"] == {"graphau": Path("c.h5")}


def test_convert_checkpoint_takes_the_files_of_the_configuration(project, called):
    calls = called("react24.models.convert.convert_checkpoint")
    for name in "12":
        (project / name).write_bytes(b"\x80\x02")
    assert main(with_model(project, ", checkpoint: {vae: '1', ldm: '2'}")) == 0
    assert calls[0][0][1] == {"vae": Path("1"), "ldm": Path("2")}


def test_convert_checkpoint_explains_wrong_use(project, capsys):
    command = with_model(project)
    assert main([*command, "--file", "1.pth"]) == 1
    assert main([*command, "--file", "vae=1.pth", "--file", "2.pth"]) == 1
    assert main([*command, "--file", "vae=1.pth"]) == 1
    assert main(["convert-checkpoint", "regn", *command[2:]]) == 1
    assert main([*command, "--file", "vae=mine.yaml", "--file", "ldm=2.pth"]) == 1
    err = capsys.readouterr().err
    for words in (
        "found the single path '1.pth'; accepted is a path for each of vae, ldm",
        "--file: found '2.pth'; accepted is NAME=PATH",
        "file 'ldm' is missing",
        "the configuration has no model 'regn'; it has belfusion",
        "mine.yaml: this is text, beginning with 'sessions: sessions.tsv",
    ):
        assert words in err


def test_show_prints_the_contract(tmp_path, capsys):
    path = tmp_path / "x.h5"
    features = contract.Features(
        np.zeros((5, 2), np.float32), np.ones(5, bool), ("one", "two"), "graphau", "landmarks", True
    )
    contract.write_features(path, {"a": features}, subjects={"a": "anna"}, created_by="test")
    assert main(["show", str(path)]) == 0
    out = capsys.readouterr().out
    for line in ("schema features, version 1", "a/features: float32 (5, 2)", "@subject = anna"):
        assert line in out


def test_show_refuses_other_files(tmp_path, capsys):
    path = tmp_path / "x.h5"
    path.write_text("no")
    assert main(["show", str(path)]) == 1
    assert main(["show", str(tmp_path / "gone.h5")]) == 1
    err = capsys.readouterr().err
    assert "not a readable HDF5 file" in err
    assert "no such file" in err


def test_other_errors_are_not_hidden(project, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("react24.project.load.inspect_project", broken)
    with pytest.raises(ZeroDivisionError):
        main(["check", "--config", "mine.yaml"])


def test_input_errors_become_messages(project, monkeypatch, capsys):
    def refuse(*_, **__):
        raise InputError("a.mp4: at 3.1 s")

    monkeypatch.setattr("react24.media.probe.probe_session", refuse)
    assert main(["probe", "a.mp4", "b.mp4", "-o", "m.h5", "--config", "mine.yaml"]) == 1
    assert "react24 probe: a.mp4: at 3.1 s" in capsys.readouterr().err


def test_python_m_react24_starts_light():
    code = "import sys, react24.cli.main as c; c.make_parser(); sys.exit('numpy' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )
    command = [sys.executable, "-m", "react24", "--help"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert [name for name in COMMANDS if name not in result.stdout] == []


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_built_in_model_is_converted_without_a_configuration(empty_folder, called, capsys):
    calls = called("react24.models.convert.convert_checkpoint")
    files = "--file vae=1.pth --file ldm=2.pth -o out"
    assert main(f"convert-checkpoint belfusion {files}".split()) == 0
    ((settings, found, _), _) = calls[0]
    assert (settings["type"], settings["variant"]) == ("belfusion", "official")
    assert found == {"vae": Path("1.pth"), "ldm": Path("2.pth")}
    assert main(f"convert-checkpoint belfuson {files}".split()) == 1
    assert "types: belfusion, regnn, transvae, tranvae" in capsys.readouterr().err


def test_settings_of_built_in_models_need_no_file(empty_folder, called):
    """The configuration of the demo, in a folder that holds nothing else."""
    calls = called("react24.faces.track.track_session")
    (empty_folder / "config").mkdir()
    text = (REPOSITORY / "config/config.yaml").read_text()
    assert "config/models/regnn.yaml" in text
    (empty_folder / "config/config.yaml").write_text(text.replace("max_gap: 12", "max_gap: 9"))
    assert main(["track", "m.h5", "-o", "f.h5"]) == 0
    assert calls[0][1]["max_gap"] == 9


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"react24 {react24.__version__}\n"


def test_a_package_that_is_not_installed_is_named(empty_folder, monkeypatch, capsys):
    def import_what_lacks(*_, **__):
        raise ModuleNotFoundError("No module named 'av'", name="av")

    monkeypatch.setattr("react24.media.probe.probe_session", import_what_lacks)
    assert main(["probe", "a.mp4", "b.mp4", "-o", "m.h5"]) == 1
    told = "react24 probe: the package av is not installed; pip install 'react24[media]' brings it"
    assert told in capsys.readouterr().err


def test_extras_are_those_of_the_package():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    named = {e for c in COMMANDS.values() for e in c.extras.split(",") if e}
    assert named <= set(project["optional-dependencies"])
    assert len(named) > 5
