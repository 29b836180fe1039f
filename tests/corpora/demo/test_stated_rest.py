"""The sample sheet of the demo states when its faces are at rest."""

from pathlib import Path

import numpy as np
import pytest

from react24.conventions import FPS
from react24.corpora.demo.corpus import perform_session
from react24.project.choices import parse_choices
from react24.project.config import load_settings

ROOT = Path(__file__).resolve().parents[3]
LINES = (ROOT / "config/sessions.tsv").read_text(encoding="utf-8").splitlines()
ROWS = [dict(zip(LINES[0].split("\t"), line.split("\t"), strict=True)) for line in LINES[1:]]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["session"])
def test_the_stated_seconds_show_faces_at_rest(row):
    seed = load_settings({}, ROOT)["demo"]["seed"]
    performance = perform_session(row["session"], seed=seed)
    for role, track in performance.tracks.items():
        begin, end = parse_choices(row, role).neutral
        at = np.arange(len(track.rotation)) / FPS
        stated = (at >= begin) & (at <= end)
        assert stated.sum() >= 8
        moving = sum(np.abs(values[stated]) for values in track.coefficients.values())
        assert moving.max() < 0.1
