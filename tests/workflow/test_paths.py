import os
from pathlib import Path

from react24.workflow.paths import pick, share_with_jobs


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
