import os

from react24.paths import share_with_jobs


def test_comes_first_once_and_keeps_the_rest(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/mine", "/src", ""]))
    share_with_jobs("/src")
    share_with_jobs("/src")
    assert os.environ["PYTHONPATH"] == os.pathsep.join(["/src", "/mine"])


def test_without_a_path_before(monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    share_with_jobs("/src")
    assert os.environ["PYTHONPATH"] == "/src"
