"""The check names recordings that stand in the sheet twice."""

import numpy as np
import pytest

from react24.check import run
from react24.check.looks import SessionLook
from react24.check.run import check_project
from react24.project import inspect_project

CONFIG = {"sessions": "s.tsv", "corpus": {"root": "videos"}, "demo": {"enabled": False}}
CONFIG |= {"models": {}, "baselines": ["GT"]}
HEADER = "session\tsplit\tvideo_a\tvideo_b\tsubject_a\tsubject_b\n"


def pictures(seed):
    """Ten seconds of small pictures, (times, pictures)."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 6, (50, 4, 4)).cumsum(0).repeat(4, 1).repeat(4, 2)
    return np.arange(50, dtype=np.float32) / 5, (128 + steps).astype(np.float16)


@pytest.mark.parametrize(
    ("rows", "error", "warning"),
    [
        (("one\ttrain\ta.mp4\tb.mp4\tann\tbob", "two\ttrain\tc.mp4\td.mp4\teve\tdan"), "eve", ""),
        (("one\ttrain\ta.mp4\tb.mp4\tann\tbob", "two\tval\tc.mp4\td.mp4\tann\tdan"), "two sp", ""),
        (("one\ttrain\ta.mp4\tb.mp4\tann\tbob", "two\ttrain\tc.mp4\td.mp4\tann\tdan"), "", "twice"),
    ],
)
def test_repeats_are_told(tmp_path, monkeypatch, rows, error, warning):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "videos").mkdir()
    (tmp_path / "s.tsv").write_text(HEADER + "\n".join(rows) + "\n")
    shown = {("one", "a"): 1, ("one", "b"): 2, ("two", "a"): 1, ("two", "b"): 3}

    def looks(tasks, cores):
        for name in (task.session.session for task in tasks):
            prints = {role: pictures(shown[name, role]) for role in ("a", "b")}
            yield SessionLook(name, seconds=40.0, fingerprints=prints)

    monkeypatch.setattr(run, "look_at_all", looks)
    monkeypatch.setattr(run, "explain_wrong_root", lambda *_: None)
    report = check_project(inspect_project(CONFIG, check_files=False), cores=1)
    found = [text for text in report.errors if "the same recording" in text]
    doubts = [text for text in report.warnings if "the same recording" in text]
    assert len(found) == bool(error)
    assert len(doubts) == bool(warning)
    assert (error or warning) in (found + doubts)[0]
    assert "a.mp4 (session one, role a) and " in (found + doubts)[0]
