import os
from pathlib import Path

import pytest

from react24.errors import InputError
from react24.weights.fetch import resolve
from react24.workflow.paths import keep_jobs_from_fetching, pick, share_with_jobs


def test_comes_first_once_and_keeps_the_rest(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/mine", "/src", ""]))
    share_with_jobs("/src")
    share_with_jobs("/src")
    assert os.environ["PYTHONPATH"] == os.pathsep.join(["/src", "/mine"])


def test_without_a_path_before(monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    share_with_jobs("/src")
    assert os.environ["PYTHONPATH"] == "/src"


def test_pick_takes_a_prefix_off_and_skips_inputs_without_a_name():
    files = [("train_graphau", "x.h5"), ("val_graphau", "y.h5"), (None, "z.h5")]
    assert pick(files, "train_") == {"graphau": Path("x.h5")}


def test_jobs_are_kept_from_fetching_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("REACT24_FETCH", "as asked")  # puts back what was there
    monkeypatch.setenv("REACT24_WEIGHTS", str(tmp_path))
    keep_jobs_from_fetching()
    with pytest.raises(InputError, match="jobs fetch nothing themselves"):
        resolve("vggish")
