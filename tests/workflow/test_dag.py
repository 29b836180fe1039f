"""The whole way on a small project, then what reruns and what does not."""

import contextlib
import os
import re
import shutil
import time

import pytest
import yaml

from react24.clips import windows
from react24.files import contract

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def changed(path, text=None, content=None):
    """Change a file for the time of the block, then put back content and times."""
    kept, times = path.read_bytes(), path.stat()
    try:
        if text is not None:
            path.write_text(path.read_text() + text)
        elif content is not None:
            path.write_bytes(content)
        else:
            os.utime(path, (time.time() + 5, time.time() + 5))
        yield
    finally:
        path.write_bytes(kept)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_table_is_made_from_the_videos(finished):
    rows = [row for row in finished.rows() if row["source"] == "react24"]
    assert [row["model"] for row in rows] == [
        "belfusion",
        "tranvae",
        "regnn_w2v2",
        "GT",
        "Random",
        "Mime",
        "MeanSeq",
        "MeanFr",
    ]
    by_model = {row["model"]: row for row in rows}
    assert float(by_model["GT"]["FRDist"]) == 0.0
    assert float(by_model["Random"]["FRVar"]) == pytest.approx(1 / 12, rel=0.05)
    assert float(by_model["MeanFr"]["TLCC"]) == 49.0
    assert float(by_model["GT"]["FRCorr"]) > float(by_model["Random"]["FRCorr"])
    assert by_model["belfusion"]["samples"] == "2"
    assert by_model["belfusion"]["seeds"] == "0,1"


def test_progress_names_model_seed_and_stage(finished):
    logs = finished.folder / "logs"
    told = (logs / "train_stage/tranvae/codebook/seed1.log").read_text()
    assert re.search(r": training tranvae seed 1, codebook: \d+ steps", told)
    told = (logs / "sample_reactions/tranvae/seed1/test.log").read_text()
    assert re.search(r": sampling tranvae seed 1, test: \d+ clips", told)
    told = (logs / "score_reactions/tranvae/seed1/test.log").read_text()
    assert re.search(r": scoring results/samples/tranvae/seed1/test.h5, .*: \d+ clips", told)


def test_a_contact_sheet_is_made_where_asked_for(finished):
    media = sorted((finished.folder / "results/media").glob("*.h5"))[0]
    sheet = finished.folder / f"results/inspect/{media.stem}.png"
    assert not sheet.parent.exists()
    finished.snakemake(str(sheet.relative_to(finished.folder)))
    assert sheet.read_bytes().startswith(b"\x89PNG")
    shutil.rmtree(sheet.parent)


def test_every_stream_of_a_session_has_the_same_length(finished):
    sessions = sorted(p.stem for p in (finished.folder / "results/media").glob("*.h5"))
    assert len(sessions) == 3
    for session in sessions:
        lengths = set()
        for stream in ("graphau", "faceverse", "wav2vec2"):
            path = finished.folder / f"results/features/{stream}/{session}.h5"
            lengths |= {len(part.values) for part in contract.read_features(path).values()}
        assert len(lengths) == 1


def test_streams_of_a_split_share_one_index(finished):
    folder = finished.folder / "results/clips"
    with windows.open_clips(folder / "graphau/train.h5") as graphau:
        assert graphau.rows >= 2
        assert graphau.pretrained
        with windows.open_clips(folder / "wav2vec2/train.h5") as wav2vec2:
            assert not wav2vec2.pretrained
            windows.check_same_index(graphau.index, wav2vec2.index, ("graphau", "wav2vec2"))


def test_every_file_keeps_the_contract(finished):
    files = list((finished.folder / "results").rglob("*.h5"))
    assert len(files) > 30
    for path in files:
        with contract.h5py.File(path) as file:
            assert file.attrs["schema"] in contract.SCHEMAS
            assert contract.read_json(file, "inputs") or file.attrs["schema"] == "truth", path
    assert not list(finished.folder.rglob("*.tmp-*"))


def test_nothing_to_be_done(finished):
    assert finished.plan() == {}


@pytest.mark.parametrize(
    "name",
    [
        "src/react24/metrics/score_samples.py",
        "src/react24/faces/track.py",
        "workflow/rules/train.smk",
    ],
)
def test_touching_a_file_reruns_nothing(finished, name):
    with changed(finished.folder / name):
        assert finished.plan() == {}


def test_touching_a_video_reruns_nothing(finished):
    video = next((finished.folder / "resources/demo").glob("*/a.mp4"))
    with changed(video):
        assert finished.plan() == {}


def test_changing_a_metric_reruns_scoring_and_tables_only(finished):
    with changed(finished.folder / "src/react24/metrics/score_samples.py", text="\nCHANGED = 1\n"):
        plan = finished.plan()
    assert set(plan) == {"score_reactions", "tabulate_metrics", "all"}
    assert plan["score_reactions"] == 16


def test_changing_the_learning_rate_extracts_nothing(finished):
    path = finished.folder / "config/config.yaml"
    text = path.read_text().replace("epochs: 3", "epochs: 4")
    with changed(path, content=text.encode()):
        plan = finished.plan()
    assert plan["train_belfusion_vae"] == 2
    assert not {"probe_session", "track_faces", "extract_graphau", "window_clips"} & set(plan)


def test_changing_one_video_reruns_that_session_and_what_follows(finished):
    demo = finished.folder / "resources/demo"
    mine, other = sorted(path.parent for path in demo.glob("*/a.mp4"))[:2]
    later = time.time() + 5
    with changed(mine / "a.mp4", content=(other / "a.mp4").read_bytes()):
        os.utime(mine / "a.mp4", (later, later))
        plan = finished.plan()
        assert plan["probe_session"] == plan["track_faces"] == plan["extract_graphau"] == 1
        text = finished.snakemake("-n")
        assert re.findall(r"Reading the clock of session (\w+)", text) == [mine.name]
        assert plan["window_clips"] == 3
        assert "make_demo_session" not in plan
        assert plan["tabulate_metrics"] == 1


def test_a_corpus_may_be_moved(finished):
    """Nothing is made anew, and a stream that is new opens the recordings where they lie now."""
    folder, path = finished.folder, finished.folder / "config/config.yaml"
    config = yaml.safe_load(path.read_text())
    config["corpus"], config["demo"]["enabled"] = {"root": "moved", "name": "moved"}, False
    media = sorted((folder / "results/media").glob("*.h5"))[0]
    before, made = contract.sha256_file(media), f"results/features/mfcc/{media.name}"
    (folder / "resources/demo").rename(folder / "moved")
    try:
        with changed(path, content=yaml.safe_dump(config).encode()):
            assert finished.plan() == {}
            finished.snakemake(made)
        known = contract.read_features(folder / "results/features/wav2vec2" / media.name)
        for role, part in contract.read_features(folder / made).items():
            assert len(part.values) == len(known[role].values)
            assert part.valid.mean() > 0.9
        assert contract.sha256_file(media) == before
    finally:
        (folder / "moved").rename(folder / "resources/demo")
        shutil.rmtree(folder / "results/features/mfcc", ignore_errors=True)


def test_resuming_after_lost_results_gives_the_same_table(finished):
    before = finished.table()
    for part in ("metrics", "samples", "tables", "models/belfusion/seed0/ldm"):
        path = finished.folder / "results" / part
        shutil.rmtree(path)
    finished.snakemake()
    assert finished.table() == before


def test_report_is_one_page(finished):
    finished.snakemake("--report", "results/report.html")
    page = (finished.folder / "results/report.html").read_text(encoding="utf-8")
    assert "metrics_test.tsv" in page
    assert "notices.tsv" in page


def test_doubts_are_listed(finished):
    first, *_ = (finished.folder / "results/tables/notices.tsv").read_text().splitlines()
    assert first.split("\t")[:2] == ["split", "session"]
    assert "of 3 sessions" in (finished.folder / "results/tables/notices.md").read_text()


def test_an_unreadable_video_is_named_before_anything_runs(finished):
    video = next((finished.folder / "resources/demo").glob("*/a.mp4"))
    with changed(video, content=video.read_bytes()[: video.stat().st_size // 2]):
        text = finished.snakemake("-n", check=False)
    assert f"{video.parent.name}/a.mp4" in text
    assert "row 2" in text
    assert "Building DAG" not in text


def test_the_cluster_profile_plans_the_same(finished):
    text = finished.snakemake("-n", "--workflow-profile", "profiles/slurm")
    assert "Using workflow specific profile profiles/slurm" in text
    assert "Nothing to be done" in text
