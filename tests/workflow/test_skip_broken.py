"""One recording that is cut short does not stop the others, nor do weights that are not there."""

import json
import re

import pytest
import yaml
from helpers.media_factory import cut_file, noisy, tone, write_media
from helpers.small_project import copy_project

pytestmark = pytest.mark.slow

ROWS = {"one": "train", "two": "test", "damaged": "test", "cut": "train"}
CONFIG = {
    "sessions": "config/mine.tsv",
    "corpus": {"root": "videos", "name": "mine", "skip_broken": True},
    "demo": {"enabled": False},
    "models": {},
    "baselines": ["GT", "MeanFr"],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Four sessions: the header of one cannot be read, and another one ends too early."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    videos = project.folder / "videos"
    videos.mkdir()
    for number, name in enumerate(f"{n}_{r}" for n in ROWS for r in "ab"):
        write_media(
            videos / f"{name}.mkv",
            picture=lambda index, first=60 * number: noisy(first + index),
            frames=50,
            sound=tone(2.0, 16000),
        )
    cut_file(videos / "damaged_a.mkv", 0.5)
    (videos / "cut_b.mkv").write_bytes(bytes(100))
    header = "session\tsplit\tvideo_a\tvideo_b\tsubject_a\tsubject_b\n"
    rows = (f"{n}\t{s}\t{n}_a.mkv\t{n}_b.mkv\t{n}a\t{n}b\n" for n, s in ROWS.items())
    (project.folder / "config/mine.tsv").write_text(header + "".join(rows))
    write_config(project, "mine", CONFIG)
    return project


def write_config(project, name, config):
    (project.folder / f"config/{name}.yaml").write_text(yaml.safe_dump(config))


def run(project, *arguments, config="mine"):
    return project.snakemake(
        *arguments, "--configfile", f"config/{config}.yaml", check=False, cores=1
    )


def test_two_starts_lead_past_recordings_that_cannot_be_used(project):
    until = ("--until", "probe_session")
    text = run(project, *until)
    made = project.folder / "results/media"
    assert sorted(path.name for path in made.iterdir()) == ["one.h5", "two.h5"]
    assert "session cut (row 5, train) is left out (corpus.skip_broken)" in text
    assert "1 session(s) cannot be used as they are: damaged (noted in results/broken" in text
    assert "Start the run again" in text
    again = run(project, *until)
    assert "2 session(s) left out (corpus.skip_broken):" in again
    assert "damaged (row 4, test): probe_session: session damaged: damaged recordings" in again
    assert "failed" not in again
    kept = json.loads((project.folder / ".snakemake/react24/project.json").read_text())
    assert [left["session"]["session"] for left in kept["left_out"]] == ["damaged", "cut"]
    plan = run(project, "-n")
    assert re.search(r"^track_faces +2$", plan, re.MULTILINE)
    assert "damaged.h5" not in plan
    refused = CONFIG | {"corpus": {"root": "videos"}}
    write_config(project, "refused", refused)
    text = run(project, "-n", config="refused")
    assert "2 of 4 session(s) have recordings that cannot be used, damaged, cut" in text
    assert "corpus.skip_broken: true leaves them out" in text


def test_a_run_stops_before_its_first_job_where_weights_cannot_be_had(project, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    streams = {"vggish": {"enabled": True, "weights": "vggish"}}
    write_config(project, "weights", CONFIG | {"streams": streams})
    plan = run(project, "-n", config="weights")
    assert "vggish is not in resources/weights yet; a run fetches it (288 MB)" in plan
    text = run(project, "--until", "extract_vggish", config="weights")
    assert text.count("cannot fetch https://github.com") == 1
    assert "`react24 fetch-weights vggish vggish_pca` fetches all that is missing" in text
    assert "Reading the clock" not in text  # no job was started
    assert "Traceback" not in text
