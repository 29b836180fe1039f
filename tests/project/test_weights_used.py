"""Published weights of a run: known before it starts, fetched once, by the run alone."""

import hashlib
import io
import urllib.error
from dataclasses import replace

import pytest

from react24.errors import InputErrors
from react24.project.config import load_settings
from react24.project.load import inspect_project
from react24.project.weights_used import fetch_used, list_used, weak_points
from react24.weights.registry import REGISTRY

CONFIG = {
    "streams": {
        "vggish": {"weights": "vggish", "enabled": True},
        "graphau": {"backend": "blendshapes"},
        "wav2vec2": {"weights": "wav2vec2-base", "enabled": False},
    },
    "faces": {"model": "face-landmarker"},
    "models": {},
}
CONTENT = b"weights"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Of a project in which nothing has been fetched; the published files are seven bytes."""
    monkeypatch.chdir(tmp_path)
    digest = hashlib.sha256(CONTENT).hexdigest()
    for name in ("vggish", "vggish_pca", "face-landmarker"):
        monkeypatch.setitem(REGISTRY, name, replace(REGISTRY[name], sha256=digest))
    return load_settings(CONFIG)


class Site:
    """Stands for the places where the files are published."""

    def __init__(self, reachable=True):
        self.asked = []
        self.reachable = reachable

    def __call__(self, url, timeout):
        self.asked.append(url.rpartition("/")[2])
        if not self.reachable:
            raise urllib.error.URLError("Name or service not known")
        return io.BytesIO(CONTENT)


def test_what_a_run_uses(settings):
    used = {(use.entry.name, use.where, use.rules) for use in list_used(settings)}
    assert used == {
        ("face-landmarker", "faces.model", ("track_faces",)),
        ("face-landmarker", "streams.graphau.weights", ("extract_graphau", "find_neutral")),
        ("vggish", "streams.vggish.weights", ("extract_vggish",)),
        ("vggish_pca", "streams.vggish.weights", ("extract_vggish",)),
    }


def test_each_file_is_fetched_once_and_then_only_checked(settings, tmp_path):
    site = Site()
    fetch_used(settings, opener=site)
    assert len(site.asked) == 3
    fetch_used(settings, opener=site)
    assert len(site.asked) == 3
    assert weak_points(settings) == []
    (tmp_path / "resources/weights/vggish-10086976.pth").write_bytes(b"another")
    with pytest.raises(InputErrors, match=r"streams\.vggish\.weights: .*has SHA-256"):
        fetch_used(settings, opener=site)


def test_only_what_has_something_to_do_is_fetched(settings):
    site = Site()
    fetch_used(settings, {"probe_session", "window_clips"}, opener=site)
    assert site.asked == []
    fetch_used(settings, {"find_neutral"}, opener=site)
    assert site.asked == ["face_landmarker.task"]


def test_without_a_connection_it_is_told_once_with_what_to_do(settings):
    site = Site(reachable=False)
    with pytest.raises(InputErrors) as caught:
        fetch_used(settings, opener=site)
    assert len(site.asked) == 1
    first, second = caught.value.problems
    assert "faces.model: weights face-landmarker: cannot fetch https://" in first
    assert "`react24 fetch-weights face-landmarker vggish vggish_pca` fetches all" in second


def test_the_check_knows_that_they_are_not_there(settings, tmp_path):
    told = " ".join(inspect_project(CONFIG, check_files=False).warnings)
    for name in ("face-landmarker", "vggish", "vggish_pca"):
        assert f"{name} is not in resources/weights yet; a run fetches it" in told
    assert "wav2vec2" not in told
    fetch_used(settings, opener=Site())
    told = " ".join(inspect_project(CONFIG, check_files=False).warnings)
    assert "is not in" not in told


def test_random_features_do_not_suit_published_weights(settings):
    reads = {"belfusion": ("graphau", "swin")}
    doubtful = replace(settings, checkpoints={"belfusion": {"vae": "x"}}, reads=reads)
    (told,) = [text for text in weak_points(doubtful) if "random" in text]
    assert told.startswith("streams.swin.weights: found random, but models.belfusion has published")
