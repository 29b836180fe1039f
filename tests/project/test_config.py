import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from react24 import models as registry
from react24.contracts.model import StageInputs
from react24.errors import InputError, InputErrors
from react24.project.config import inspect_settings, load_settings, read_config
from react24.project.model_entries import resolve_model

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / "config" / "config.yaml"


def problems_of(config, root=REPOSITORY):
    with pytest.raises(InputErrors) as error:
        load_settings(config, root)
    return error.value.problems


def only_problem(config, root=REPOSITORY):
    problems = problems_of(config, root)
    assert len(problems) == 1, problems
    return problems[0]


@pytest.fixture
def project(tmp_path):
    """A project folder with one model of two settings files."""
    folder = tmp_path / "config" / "models"
    folder.mkdir(parents=True)
    official = (REPOSITORY / "config" / "models" / "belfusion.yaml").read_text()
    (folder / "belfusion.yaml").write_text(official)
    return tmp_path


def test_defaults_are_those_of_the_working_configuration():
    """Deleting a line of config/config.yaml changes nothing but the models and their demo."""
    written = read_config(CONFIG)
    assert {"belfusion", "tranvae", "regnn_vggish", "regnn_w2v2"} == written["models"].keys()
    models = {}
    for name, entry in written["models"].items():
        entry.pop("overrides", None)
        del entry["preset"]
        path = entry.pop("settings")
        if Path(path).stem != name:  # the file's name does not follow from the model's
            entry["settings"] = path
        models[name] = {key: value for key, value in entry.items() if key == "settings"}
    del written["streams"]["wav2vec2"]["window"]  # fits the length of the demo sessions
    expected = load_settings({"models": models}, REPOSITORY)
    assert load_settings(written, REPOSITORY).values == expected.values
    assert load_settings({}, REPOSITORY).values == expected.values | {
        "models": {"belfusion": expected["models"]["belfusion"]}
    }


# What is accepted


def test_empty_configuration_takes_all_defaults():
    settings = load_settings({}, REPOSITORY)
    assert settings["faces"] == {
        "max_gap": 12, "max_missing": 0.2, "model": "mediapipe", "share_neutral": True,
    }  # fmt: skip
    assert settings["sampling"]["seeds"] == [0, 1, 2]
    assert settings.models["belfusion"]["variant"] == "fixed"
    assert settings.sheet == REPOSITORY / "config" / "sessions.tsv"


def test_section_with_all_keys_commented_out_counts_as_empty():
    assert load_settings({"faces": None}, REPOSITORY)["faces"]["max_gap"] == 12


def test_no_models_is_a_choice():
    assert load_settings({"models": {}}, REPOSITORY).models == {}


def test_whole_numbers_serve_as_numbers_and_come_out_the_same():
    config = {"split": {"train": 1, "val": 0, "test": 0}}
    found = load_settings(config, REPOSITORY)["split"]
    assert json.dumps(found) == '{"train": 1.0, "val": 0.0, "test": 0.0}'


def test_settings_are_jsonable_and_independent_of_the_input():
    config = read_config(CONFIG)
    before = json.dumps(config)
    settings = load_settings(config, REPOSITORY)
    json.dumps([settings.values, settings.models])
    settings.values["faces"]["max_gap"] = 99
    settings.values["sampling"]["seeds"].append(99)
    assert json.dumps(config) == before
    assert load_settings({}, REPOSITORY)["sampling"]["seeds"] == [0, 1, 2]


def test_numbers_that_yaml_takes_for_text_are_numbers():
    found = load_settings({"faces": {"max_missing": "1e-3"}}, REPOSITORY)
    assert found["faces"]["max_missing"] == 1e-3


def test_splits_that_a_run_needs():
    def needed(**config):
        return load_settings(config, REPOSITORY).needed_splits

    assert needed() == ("train", "test")
    assert needed(models={}, baselines=["GT"]) == ("test",)
    assert needed(models={}, baselines=["MeanSeq"], sampling={"split": ["val"]}) == ("train", "val")


# What is refused


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"faces": {"max_gpa": 3}}, ["faces.max_gpa: unknown key", "did you mean faces.max_gap?"]),
        ({"sesions": "x.tsv"}, ["sesions: unknown key", "did you mean sessions?"]),
        ({"max_gap": 3}, ["max_gap: unknown key", "did you mean faces.max_gap?"]),
        ({"qqqqqq": 3}, ["qqqqqq: unknown key; Accepted at the top: sessions"]),
        ({"faces": {"max_gap": "3"}}, ["faces.max_gap: found '3'", "a whole number"]),
        ({"faces": {"max_gap": True}}, ["faces.max_gap: found true", "a whole number"]),
        ({"faces": {"max_gap": -1}}, ["faces.max_gap: found -1", "a number from 0"]),
        ({"faces": {"max_missing": 2}}, ["faces.max_missing: found 2;", "up to 1"]),
        ({"faces": {"model": "face-landmaker"}}, ["faces.model", "did you mean face-landmarker?"]),
        ({"faces": {"model": "gone.task"}}, ["faces.model: found 'gone.task'", "the path of a"]),
        ({"faces": [1]}, ["faces: found [1]", "a mapping"]),
        ({"metrics": {"space": "natve"}}, ["metrics.space: found 'natve'", "did you mean native?"]),
        ({"sampling": {"seeds": []}}, ["sampling.seeds: found []", "not empty"]),
        ({"sampling": {"seeds": [1, 1]}}, ["sampling.seeds", "without repetitions"]),
        ({"sampling": {"seeds": [0, -1]}}, ["sampling.seeds[1]: found -1"]),
        ({"sampling": {"split": "test"}}, ["sampling.split: found 'test'", "a list"]),
        ({"baselines": ["Mimic"]}, ["baselines[0]: found 'Mimic'", "Mime"]),
        ({"split": {"train": 0.5}}, ["split: found train 0.5", "add up to 0.9", "add up to 1"]),
        ({"corpus": {"name": "../x"}}, ["corpus.name: found '../x'", "letters"]),
        ({"corpus": {"root": "elsewhere"}}, ["demo.enabled: found true", "'elsewhere'"]),
        ({"appropriate": {"matrix": "m.npy"}}, ["appropriate.matrix: found 'm.npy'", "dtw"]),
        (
            {"streams": {"vggish": {"weights": "vgish"}}},
            ["streams.vggish.weights: found 'vgish'", "did you mean vggish?"],
        ),
        (
            {"streams": {"graphau": {"backend": "blendshapes", "weights": "face-landmark"}}},
            ["streams.graphau.weights: found 'face-landmark'", "did you mean face-landmarker?"],
        ),
        (
            {"streams": {"faceverse": {"backend": "blendshapes", "weights": "random"}}},
            ["streams.faceverse.weights: found 'random'", "face-landmarker"],
        ),
        (
            {"streams": {"faceverse": {"focal": 0}}},
            ["streams.faceverse.focal: found 0", "from 1"],
        ),
        (
            {"streams": {"wav2vec2": {"window": 5, "overlap": 5}}},
            ["streams.wav2vec2: found overlap 5 with window 5"],
        ),
        ({"streams": {"vgish": {}}}, ["streams.vgish: unknown key", "mean streams.vggish?"]),
        ({"streams": {"pitch": {"type": 3}}}, ["streams.pitch: unknown key"]),
        ({"streams": {"pitch": {"type": "gone.py"}}}, ["streams.pitch.type: ", "no such file"]),
        ({"streams": {"swin": {"type": "x.py"}}}, ["streams.swin.type: unknown key"]),
        (
            {"streams": {"pitch": {"type": "examples/pitch.py", "low": "x", "lo": 3}}},
            ["streams.pitch.low: found 'x'", "streams.pitch.lo: unknown key", "streams.pitch.low?"],
        ),
        (
            {"streams": {"tone": {"type": "examples/pitch.py"}}},
            ["streams.tone.type: found 'examples/pitch.py'", "called 'pitch'"],
        ),
        ({"models": {"belfuson": {}}}, ["models.belfuson: no settings file", "mean belfusion?"]),
        ({"models": {"belfusion": {"variant": "new"}}}, ["models.belfusion.variant"]),
        ({"models": {"belfusion": 3}}, ["models.belfusion: found 3", "a mapping"]),
    ],
)
def test_mistake_is_explained(config, words):
    problems = " | ".join(problems_of(config))
    for word in words:
        assert word in problems


def test_own_corpus_must_exist(tmp_path, project):
    config = {"corpus": {"root": "videos"}, "demo": {"enabled": False}}
    assert "corpus.root: found 'videos'; no such folder" in only_problem(config, project)
    (project / "videos").mkdir()
    assert load_settings(config, project).corpus_root == project / "videos"


def test_official_appropriateness_needs_both_files(project):
    (project / "m.npy").touch()
    first, second = problems_of(
        {"demo": {"enabled": False}, "corpus": {"root": "."}}
        | {"appropriate": {"source": "official", "matrix": "m.npy", "index": None}}
        | {"streams": {"wav2vec2": {"weights": "gone.safetensors"}}},
        project,
    )
    assert "appropriate.index: found null" in first
    assert "streams.wav2vec2.weights: found 'gone.safetensors'" in second


def test_weights_may_be_a_file_or_a_published_name(project):
    (project / "mine.pt").write_bytes(b"\x80\x02")
    streams = {"vggish": {"weights": "mine.pt"}, "wav2vec2": {"weights": "wav2vec2-base"}}
    config = {"streams": streams, "corpus": {"root": "resources/demo"}}
    assert load_settings(config, project)["streams"]["vggish"]["weights"] == "mine.pt"


def test_the_face_networks_may_be_a_file_or_a_published_name(project):
    (project / "mine.task").write_bytes(b"\0\0\0\0TFL3")
    for model in ("mine.task", "face-landmarker"):
        config = {"faces": {"model": model}, "corpus": {"root": "resources/demo"}}
        assert load_settings(config, project)["faces"]["model"] == model


def test_all_problems_are_reported_together():
    problems = problems_of(
        {
            "faces": {"max_gpa": 3, "max_missing": "a"},
            "models": {"belfusion": {"overrides": {"vae": {"epoch": 1}, "lmd": {}}}},
            "sampling": {"samples": 0},
        }
    )
    assert len(problems) == 5
    text = str(InputErrors("title", problems))
    for path in ("faces.max_gpa", "faces.max_missing", "vae.epochs", "overrides.ldm", "samples"):
        assert path in text


def test_what_is_right_is_read_and_checked_beside_what_is_wrong():
    model = {"variant": "new", "checkpoint": 3, "overrides": {"vae": {"epoch": 1}}}
    config = {"models": {"belfusion": model}, "sampling": {"seeds": ["a", "b"], "samples": 7}}
    settings, problems, wrong = inspect_settings(config | {"faces": {"max_gap": 3, "x": 1}})
    assert settings["sampling"] == {"samples": 7, "seeds": [0, 1, 2], "split": ["test"]}
    assert settings["faces"]["max_gap"] == 3
    model = "models.belfusion"
    assert wrong == {f"{model}.variant", f"{model}.checkpoint", "sampling.seeds", model}
    paths = ("variant: found", "checkpoint: found 3", "overrides.vae.epoch: unknown")
    paths = (*(f"models.belfusion.{path}" for path in paths), "faces.x: unknown")
    for path in (*paths, "sampling.seeds[0]: found 'a'", "sampling.seeds[1]: found 'b'"):
        assert any(path in problem for problem in problems), path
    assert len(problems) == 6


def test_a_stream_that_a_model_needs_cannot_be_left_out(monkeypatch):
    monkeypatch.setitem(registry.BUILT_IN, "belfusion", "test_config:HEARS_WAV2VEC2")
    monkeypatch.setitem(sys.modules, "test_config", sys.modules[__name__])
    config = {"streams": {"wav2vec2": {"enabled": False}, "vggish": {"enabled": False}}}
    assert "streams.wav2vec2.enabled: found false, but models.belfusion" in only_problem(config)
    assert load_settings(config | {"models": {}}, REPOSITORY)


def test_an_open_stream_is_extracted_where_a_model_reads_it(monkeypatch):
    monkeypatch.setitem(registry.BUILT_IN, "belfusion", "test_config:HEARS_WAV2VEC2")
    monkeypatch.setitem(sys.modules, "test_config", sys.modules[__name__])

    def streams(models, **enabled):
        sections = {name: {"enabled": value} for name, value in enabled.items()}
        return load_settings({"streams": sections, "models": models}, REPOSITORY).streams

    always = ("graphau", "faceverse")
    assert streams({}) == always
    assert streams({}, vggish=True) == (*always, "vggish")
    assert streams({"belfusion": {}}) == (*always, "wav2vec2")
    assert streams({"belfusion": {}}, vggish=False, wav2vec2=True) == (*always, "wav2vec2")
    assert streams({}, vggish=False, wav2vec2=False, swin=True, mfcc=True) == (
        *always,
        "swin",
        "mfcc",
    )


def test_sound_is_heard_where_a_stream_is_made_of_it():
    def hears(**streams):
        return load_settings({"streams": streams, "models": {}}, REPOSITORY).hears

    assert not hears()
    assert not hears(swin={"enabled": True})
    assert hears(logmel={"enabled": True})
    assert load_settings({"models": {"regnn": {"preset": "quick"}}}, REPOSITORY).hears


def test_a_stream_of_ones_own_has_a_section(monkeypatch, tmp_path):
    section = {"type": "examples/pitch.py", "enabled": True}
    settings = load_settings({"streams": {"pitch": section}, "models": {}}, REPOSITORY)
    assert settings.streams == ("graphau", "faceverse", "pitch")
    assert settings["streams"]["pitch"].items() > section.items()  # its defaults are filled in
    assert settings.hears
    monkeypatch.chdir(tmp_path)  # where Snakemake works elsewhere, the file is sought beside it
    there = load_settings({"streams": {"pitch": section}, "models": {}}, start=REPOSITORY)
    assert there["streams"]["pitch"]["type"] == str(REPOSITORY / "examples/pitch.py")


def test_weights_that_only_a_person_can_fetch_are_asked_for_early(project):
    config = {"streams": {"swin": {"weights": "swin_fer"}}}
    text = only_problem(config, project)
    assert text.startswith("streams.swin.weights: weights swin_fer: they cannot be fetched")
    assert f"put it at {project}/resources/weights/swin_fer.pth" in text
    (project / "resources/weights").mkdir(parents=True)
    (project / "resources/weights/swin_fer.pth").touch()
    assert load_settings(config, project)["streams"]["swin"]["weights"] == "swin_fer"


def wav2vec2(settings, part):
    return StageInputs({"sound": ("wav2vec2", "zscored")})


HEARS_WAV2VEC2 = replace(registry.get("belfusion"), inputs="test_config:wav2vec2")


# Models


def test_overrides_and_variant_reach_the_model(project):
    entry = {"variant": "official", "overrides": {"vae": {"epochs": 7}}}
    settings = resolve_model("belfusion", entry, project)
    assert settings["vae"]["epochs"] == 7
    assert settings["variant"] == "official"
    assert settings["ldm"]["epochs"] == 100
    assert settings["type"] == "belfusion"


def test_one_model_under_two_names(project):
    entry = {"settings": "config/models/belfusion.yaml", "variant": "official"}
    config = {"models": {"belfusion": {}, "belfusion_official": entry}}
    models = load_settings(config, project).models
    assert models["belfusion"]["variant"] == "fixed"
    assert models["belfusion_official"]["variant"] == "official"


@pytest.mark.parametrize("model", ["belfusion", "tranvae", "regnn", "transvae"])
def test_quick_is_the_official_file_with_the_preset_over_it(model):
    official = resolve_model(model, {"preset": "official"}, REPOSITORY)
    assert official == resolve_model(model, {}, REPOSITORY)
    quick = resolve_model(model, {"preset": "quick"}, REPOSITORY)
    assert quick != official
    for section, values in registry.get(model).presets["quick"].items():
        same = values.items() if isinstance(values, dict) else ()
        assert all(quick[section][key] == value for key, value in same)
    entry = {"preset": "quick", "overrides": {"training": {"max_steps": 7}}}
    assert resolve_model(model, entry, REPOSITORY)["training"]["max_steps"] == 7


def test_presets_that_are_missing_or_wrong(project):
    (project / "config/models/belfusion.quick.yaml").write_text("vae: {epoch: 3}\n")
    with pytest.raises(InputError, match=r"belfusion\.quick\.yaml\.vae\.epoch: unknown key"):
        resolve_model("belfusion", {"preset": "quick"}, project)
    (project / "config/models/belfusion.quick.yaml").write_text("vae: {epochs: 3}\n")
    assert resolve_model("belfusion", {"preset": "quick"}, project)["vae"]["epochs"] == 3
    (project / "config/models/echo.yaml").write_text(f"type: {REPOSITORY}/examples/echo.py\n")
    with pytest.raises(InputError, match=r"there is no config/models/echo\.quick\.yaml"):
        resolve_model("echo", {"preset": "quick"}, project)
    assert "one of official, quick" in only_problem(
        {"models": {"belfusion": {"preset": "fast"}}}, project
    )
    with pytest.raises(InputError, match=r"built in: belfusion, echo, regnn, transvae, tranvae$"):
        resolve_model("belfuson.quick", {}, project)


@pytest.mark.parametrize("preset", ["official", "quick"])
@pytest.mark.parametrize("model", ["belfusion", "tranvae", "regnn", "transvae"])
def test_built_in_models_need_no_files(tmp_path, model, preset):
    entry = {"preset": preset, "variant": "fixed", "overrides": {"training": {"ema": 0.9}}}
    alone = resolve_model(model, entry, tmp_path)
    assert alone["training"].pop("ema") == 0.9
    filed = resolve_model(model, {**entry, "overrides": {}}, REPOSITORY)
    filed["training"].pop("ema")
    assert alone == filed


def test_mistakes_of_a_model_are_told_together_where_they_were_written(project):
    (project / "config/models/belfusion.yaml").write_text(
        "vae: {hiden: 3, epochs: 2}\nldm: {layers: 1}\ntraining: {patience: -1}\n"
    )
    entry = {"overrides": {"vae": {"epochs": "many"}, "ldm": {"steps": 0, "stps": 1}}}
    with pytest.raises(InputErrors) as error:
        resolve_model("belfusion", entry, project)
    text = "\n".join(error.value.problems)
    file = "models.belfusion: config/models/belfusion.yaml."
    for word in (
        "models.belfusion.overrides.ldm.stps: unknown key; did you mean models.belfusion.overrides",
        "models.belfusion.overrides.vae.epochs: found 'many'; accepted is a whole number",
        "models.belfusion.overrides.ldm.steps: found 0; accepted is a number above 0",
        f"{file}vae.hiden: unknown key; did you mean models.belfusion.vae.hidden?",
        f"{file}ldm.layers: found 1; accepted is a number from 2",
        f"{file}training.patience: found -1; accepted is a number above 0",
    ):
        assert word in text
    assert len(error.value.problems) == 6


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"vae": {"epoch": 1}}, ["overrides.vae.epoch: unknown", "overrides.vae.epochs?"]),
        ({"vae": 3}, ["overrides.vae: found 3", "a mapping"]),
        (
            {"vae": {"epochs": "many"}},
            ["models.belfusion.overrides.vae.epochs: found 'many'", "whole number"],
        ),
    ],
)
def test_bad_override_is_refused(project, overrides, words):
    with pytest.raises(InputError) as error:
        resolve_model("belfusion", {"overrides": overrides}, project)
    for word in words:
        assert word in str(error.value)


def test_settings_file_of_an_unknown_type(project):
    (project / "config" / "models" / "other.yaml").write_text("type: otter\n")
    with pytest.raises(InputError, match=r"other\.yaml, key type: .*otter"):
        resolve_model("other", {}, project)


# Reading


def test_yaml_that_does_not_parse_names_the_line(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("faces:\n  max_gap: [1\nseed: 0\n")
    with pytest.raises(InputError, match=r"config\.yaml: not valid YAML.*line 3"):
        read_config(path)
    path.write_text("- a\n")
    with pytest.raises(InputError, match="accepted is a mapping"):
        read_config(path)


# Published weights


def with_checkpoint(checkpoint, **entry):
    return {"models": {"belfusion": {"variant": "official", "checkpoint": checkpoint, **entry}}}


@pytest.fixture
def published(project):
    for name in ("1.pth", "2.pth"):
        (project / name).write_bytes(b"\x80\x02")
    return {"vae": "1.pth", "ldm": "2.pth"}


def test_published_weights_take_the_place_of_training(project, published):
    settings = load_settings(with_checkpoint(published), project)
    assert settings.checkpoints == {"belfusion": published}
    assert settings.reads["belfusion"] == ("graphau",)  # faceverse is for training only
    config = with_checkpoint(published) | {"baselines": ["GT"]}
    assert load_settings(config, project).needed_splits == ("test",)
    trained = load_settings(with_checkpoint(None), project)
    assert trained.checkpoints == {}
    assert trained.reads["belfusion"] == ("graphau", "faceverse")


@pytest.mark.parametrize(
    ("checkpoint", "entry", "words"),
    [
        ("1.pth", {}, ["models.belfusion.checkpoint: found the single path '1.pth'", "vae, ldm"]),
        ({"vae": "1.pth"}, {}, ["checkpoint: file 'ldm' is missing (checkpoint of stage 2"]),
        ({"vae": "1.pth", "lmd": "2.pth"}, {}, ["file 'lmd' is unknown; did you mean ldm?"]),
        ({"vae": "1.pth", "ldm": "3.pth"}, {}, ["checkpoint.ldm: found '3.pth'; no such file"]),
        ({"vae": "1.pth", "ldm": 3}, {}, ["models.belfusion.checkpoint.ldm: found 3", "text"]),
        (3, {}, ["models.belfusion.checkpoint: found 3", "text"]),
        ({"vae": "1.pth", "ldm": "2.pth"}, {"variant": "fixed"}, ["set variant: official"]),
    ],
)
def test_published_weights_that_cannot_be_used(project, published, checkpoint, entry, words):
    found = " | ".join(problems_of(with_checkpoint(checkpoint, **entry), project))
    for word in words:
        assert word in found


def test_a_model_without_published_weights_is_trained(project, published, monkeypatch):
    monkeypatch.setitem(registry.BUILT_IN, "belfusion", "test_config:UNPUBLISHED")
    monkeypatch.setitem(sys.modules, "test_config", sys.modules[__name__])
    assert "no published weights" in only_problem(with_checkpoint("1.pth"), project)


UNPUBLISHED = replace(registry.get("belfusion"), convert=None)
