"""Videos that are not the demo's: two files per session, one of them without a face."""

import pytest
import yaml
from helpers.media_factory import noisy, tone, write_media
from helpers.small_project import copy_project

from react24.corpora.demo.corpus import make_demo_session
from react24.faces.track import read_track

pytestmark = pytest.mark.slow

ODD = "good [1] 会話 Gespräch #2 'x' \"y\" $HOME 50% a&b;c *"
"""A folder as people name theirs."""


@pytest.fixture
def project(tmp_path):
    project = copy_project(tmp_path)
    corpus = tmp_path / "videos"
    make_demo_session("demo01", corpus / ODD, seconds=2)
    make_demo_session("demo02", corpus / "bad", seconds=2)
    write_media(corpus / "bad/b.mp4", picture=noisy, frames=50, sound=tone(2.0, 16000))
    header = ["session", "split", "video_a", "video_b", "subject_a", "subject_b"]
    rows = [
        ["good", "train", f"{ODD}/a.mp4", f"{ODD}/b.mp4", "anna", "bert"],
        ["bad", "test", "bad/a.mp4", "bad/b.mp4", "cleo", "dora"],
    ]
    sheet = tmp_path / "config/mine.tsv"
    lines = ["\t".join(row) + "\n" for row in [header, *rows]]
    sheet.write_text("".join(lines), encoding="utf-8")
    config = {
        "sessions": "config/mine.tsv",
        "corpus": {"root": "videos", "name": "mine"},
        "demo": {"enabled": False},
    }
    (tmp_path / "config/mine.yaml").write_text(yaml.safe_dump(config))
    return project


def test_a_bad_session_does_not_cost_the_others_and_is_listed(project):
    text = project.snakemake(
        "--configfile", "config/mine.yaml", "--until", "track_faces", check=False
    )
    faces = project.folder / "results/faces"
    assert [path.name for path in faces.iterdir()] == ["good.h5"]
    assert read_track(faces / "good.h5", "a").found.mean() > 0.95
    listed = text.rpartition("1 job(s) failed")[2]
    assert "track_faces session=bad: NoFaceError: session bad, role b: no face" in listed
    assert "b.mp4" in listed


def test_results_may_lie_elsewhere(project, tmp_path_factory):
    disk = tmp_path_factory.mktemp("disk")
    mine = ("--configfile", "config/mine.yaml", "--directory", str(disk))
    wanted = "results/media/good.h5"
    project.snakemake(*mine, "--", wanted)
    assert (disk / wanted).is_file()
    assert not (project.folder / wanted).exists()
    assert "make_demo_session" in project.snakemake("-n", "--directory", str(disk))


def test_the_given_configuration_replaces_the_default_one(project):
    text = project.snakemake("-n", "--configfile", "config/mine.yaml")
    assert "demo01" not in text
    assert "make_demo_session" not in text


def test_a_person_of_several_sessions_has_one_neutral_face(project):
    sheet = project.folder / "config/mine.tsv"
    text = sheet.read_text(encoding="utf-8").replace("dora", "anna").replace("test", "train")
    sheet.write_text(text, encoding="utf-8")
    path = project.folder / "config/mine.yaml"
    config = yaml.safe_load(path.read_text()) | {"sampling": {"split": ["train"]}}
    path.write_text(yaml.safe_dump(config))
    wanted = ["results/features/graphau/good.h5", "--configfile", "config/mine.yaml"]
    planned = project.snakemake("-n", *wanted)
    assert "Finding the face of anna at rest" in planned
    assert "Finding the face of bert" not in planned
    assert "Tracking the faces of session bad" in planned
    path.write_text(yaml.safe_dump(config | {"faces": {"share_neutral": False}}))
    planned = project.snakemake("-n", *wanted)
    assert "at rest" not in planned
    assert "session bad" not in planned
