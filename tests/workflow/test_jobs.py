"""What the jobs of a project read, asked without Snakemake."""

from pathlib import Path
from types import SimpleNamespace as Wildcards

import numpy as np
import pytest

from react24 import streams
from react24.project.config import load_settings
from react24.project.load import Project
from react24.project.session import Person, Session
from react24.workflow.jobs import Jobs, weight_files

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = {
    "belfusion": {"preset": "quick"},
    "regnn": {"preset": "quick"},
    "transvae": {},
    "echo": {"settings": "examples/echo.yaml"},
}


def person(role, session, subject, apart=False):
    video = Path(f"videos/{session}{role}.mp4")
    audio = Path(f"videos/{session}{role}.wav") if apart else video
    return Person(role, subject, {"a": "expert", "b": "novice"}[role], video, audio)


def make_jobs(config=None, models=MODELS):
    """Anna is in both sessions; in the second one sound lies apart."""
    settings = load_settings({"models": models, **(config or {})}, REPOSITORY)
    people = {"s1": ("anna", "bert"), "s2": ("cleo", "anna")}
    sessions = tuple(
        Session(
            name,
            split,
            person("a", name, people[name][0], apart=name == "s2"),
            person("b", name, people[name][1], apart=name == "s2"),
            site="x",
            row=2,
        )
        for name, split in (("s1", "train"), ("s2", "test"))
    )
    return Jobs(Project(settings, sessions))


@pytest.fixture(scope="module")
def jobs():
    return make_jobs()


def of_session(name):
    return Wildcards(session=name)


def test_sessions_people_and_splits(jobs):
    assert jobs.subjects == ["anna", "bert", "cleo"]
    assert jobs.splits == ["train", "test"]
    assert [s.session for s in jobs.sessions_of("test")] == ["s2"]
    assert jobs.sessions_with("anna") == ["s1", "s2"]
    people = jobs.session_people(of_session("s2"))
    assert (people["b"]["subject"], people["b"]["role_name"]) == ("anna", "novice")
    assert [s.session for s in jobs.learned_sessions("test")] == ["s1"]
    assert jobs.learned_sessions("train") == []


def test_sound_that_lies_apart_is_a_file_of_its_own(jobs):
    assert set(jobs.session_media(of_session("s1"))) == {"video_a", "video_b"}
    assert jobs.session_media(of_session("s2"))["audio_b"] == "videos/s2b.wav"


def test_a_bundle_of_ones_own_is_read_by_the_track(tmp_path):
    assert "bundle" not in make_jobs().track_files(of_session("s1"))
    own = tmp_path / "face.task"
    own.write_bytes(b"\0\0\0\0TFL3")
    found = make_jobs({"faces": {"model": str(own)}}).track_files(of_session("s1"))
    assert found["bundle"] == str(own)


@pytest.mark.parametrize(
    ("stream", "files"),
    [
        ("graphau", {"faces"}),
        ("vggish", {"media", "video_a", "video_b"}),
        ("swin", {"media", "faces", "video_a", "video_b"}),
    ],
)
def test_a_stream_reads_what_its_backend_reads(jobs, stream, files):
    found = jobs.stream_files(stream)(of_session("s1"))
    assert {name for name in found if not name.startswith("neutral")} == files


def test_neutral_faces_of_persons_who_are_in_several_sessions():
    def neutral(**faces):
        found = make_jobs({"faces": faces}).stream_files("faceverse")(of_session("s2"))
        return {name: path for name, path in found.items() if name.startswith("neutral")}

    assert neutral() == {"neutral_b": "results/neutral/faceverse/anna.h5"}
    assert neutral(share_neutral=False) == {}
    where = Wildcards(subject="anna", stream="faceverse")
    assert make_jobs().tracks_of_subject(where)["faces"] == [
        "results/faces/s1.h5",
        "results/faces/s2.h5",
    ]
    assert make_jobs().face_streams == ["graphau", "faceverse"]


def test_weights_of_ones_own_are_inputs_and_others_are_not(tmp_path):
    folder = tmp_path / "network"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes(b"\2\0\0\0\0\0\0\0{}")

    def weights(stream, **section):
        return make_jobs({"streams": {stream: section}}).own_weights(stream).get("weights", [])

    assert weights("wav2vec2") == weights("wav2vec2", weights="wav2vec2-base") == []
    assert weights("vggish", weights=str(folder / "model.safetensors")) == [
        str(folder / "model.safetensors")
    ]
    assert [Path(p).name for p in weights("wav2vec2", weights=str(folder))] == [
        "config.json",
        "model.safetensors",
    ]
    # the weights of another backend than the chosen one do not count
    task = str(folder / "model.safetensors")
    assert weights("graphau", weights=task) == []
    assert weights("graphau", weights=task, backend="blendshapes") == [task]


def test_what_a_rule_takes_is_that_of_the_backend(jobs):
    for name in streams.names():
        backend = jobs.backend(name)
        resources = jobs.stream_resources(name)
        assert resources["mem_mb"](None, attempt=1) >= 1000
        assert resources["runtime"](None, attempt=1) >= 30
        assert ("gpu" in resources) == backend.gpu
        environment = REPOSITORY / "workflow/rules" / jobs.stream_environment(name)
        assert environment.is_file()
    assert set(jobs.all_streams) == set(streams.names())
    assert "enabled" not in jobs.section("vggish")


def test_the_code_of_a_stream_is_that_of_its_backend(jobs):
    other = make_jobs({"streams": {"graphau": {"backend": "blendshapes"}}})
    assert jobs.stream_code("graphau") != other.stream_code("graphau")
    assert jobs.stream_code("faceverse") == other.stream_code("faceverse")
    assert len({jobs.stream_code(name) for name in streams.names()}) == len(streams.names())


def test_a_stage_reads_clips_pictures_and_earlier_stages(jobs):
    ldm = Wildcards(model="belfusion", stage="ldm", seed="1")
    found = jobs.stage_files(ldm)
    assert found["train_graphau"] == "results/clips/graphau/train.h5"
    assert not [name for name in found if name.startswith("val")]  # there is no such split
    assert found["weights_vae"] == "results/models/belfusion/seed1/vae/model.safetensors"
    assert found["settings_vae"].endswith("seed1/vae/model.json")
    seen = jobs.stage_files(Wildcards(model="transvae", stage="transvae", seed="0"))
    assert seen["videos"] == ["videos/s1a.mp4", "videos/s1b.mp4"]
    assert seen["faces"] == ["results/faces/s1.h5"]
    regnn = jobs.stage_files(Wildcards(model="regnn", stage="generator", seed="0"))
    assert regnn["appropriate_train"] == "results/appropriate/train.h5"


def test_a_stage_depends_on_its_own_settings_and_code(jobs):
    vae, ldm = (Wildcards(model="belfusion", stage=s, seed="0") for s in ("vae", "ldm"))
    assert "ldm" not in jobs.stage_settings(vae)
    assert "ldm" in jobs.stage_settings(ldm)
    assert jobs.stage_code(vae) == jobs.stage_code(ldm)  # one module
    assert jobs.sampling_code(vae) != jobs.stage_code(vae)


def test_sampling_reads_the_speaker_and_all_stages(jobs):
    where = Wildcards(model="belfusion", seed="2", split="test")
    found = jobs.sampling_files(where)
    assert found["clips_graphau"] == "results/clips/graphau/test.h5"
    assert set(weight_files(where, ("vae", "ldm"))) <= set(found)
    assert not jobs.sampling_inputs(where).frames


def test_baselines_that_learn_read_the_training_clips(jobs):
    learned, naive = (
        jobs.baseline_files(Wildcards(model=name, split="test")) for name in ("MeanSeq", "Mime")
    )
    assert set(naive) == {"clips_graphau", "clips_faceverse"}
    assert set(learned) == {*naive, "train_graphau", "train_faceverse"}


def test_models_are_told_apart_by_type(jobs):
    assert jobs.trained == list(MODELS)
    assert jobs.trained_of("belfusion") == ["belfusion"]
    assert jobs.trained_of(None) == ["echo"]
    assert jobs.model_code("echo", "echo") != jobs.model_code("belfusion", "react24.log")


def test_official_files_are_read_where_they_are_used(jobs, tmp_path):
    assert jobs.official_files(Wildcards()) == {}
    matrix, index = tmp_path / "m.npy", tmp_path / "i.csv"
    np.save(matrix, np.zeros((2, 2), np.uint8))
    index.write_text("site,chat_index,clip_index\nNoXI,1,1\n")
    chosen = {"source": "official", "matrix": str(matrix), "index": str(index)}
    official = make_jobs({"appropriate": chosen}, models={}).official_files(Wildcards())
    assert official == {"matrix": str(matrix), "index": str(index)}


def test_notices_lie_in_clocks_tracks_and_features(jobs):
    told = jobs.told_files(jobs.sessions_of("train"), ["graphau"])
    assert told == [f"results/{kind}/s1.h5" for kind in ("media", "faces", "features/graphau")]


def test_a_checkpoint_is_converted_and_not_trained(tmp_path):
    file = tmp_path / "published.pth"
    file.write_bytes(b"\x80\x02")
    entry = {"preset": "official", "variant": "official", "checkpoint": str(file)}
    jobs = make_jobs(models={"regnn": entry})
    where = Wildcards(model="regnn", stage="generator", seed="0")
    files = jobs.checkpoint_files(where)
    assert str(file) in files.values()
    assert jobs.trained == []
    assert jobs.conversion_code(where) != jobs.sampling_code(where)
