"""A job's start pays for what the job uses: which scripts may import which heavy packages."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {path.stem: path for path in sorted((ROOT / "workflow/scripts").glob("*.py"))}
HEAVY = {
    *(
        "cv2",
        "librosa",
        "matplotlib",
        "mediapipe",
        "numba",
        "pandas",
        "pydantic",
        "scipy",
        "skimage",
    ),
    *("tensorboard", "torch", "torchaudio", "tqdm", "transformers"),
}
TORCH = {"convert_checkpoint", "sample_reactions", "train_stage"}
"""Scripts of networks; extract_stream imports torch when the stream is one of a network."""

PLOTS = ("inspect_session", "plot_clip", "plot_training", "plot_variance")
MAY_IMPORT = {
    **{name: {"matplotlib"} for name in PLOTS},
    "appropriate_reactions": {"numba", "scipy"},  # numba looks for scipy
    "make_demo_session": {"numba", "scipy"},
    "score_reactions": {"numba", "scipy"},
    "tabulate_metrics": {"pandas"},
}


def imports_of(script):
    """The lines of a script that import something."""
    lines = re.findall(r"^(?:from [\w.]+ )?import [^\n]+$", script.read_text(), re.MULTILINE)
    assert lines, script
    return "\n".join(lines)


@pytest.mark.parametrize("name", sorted(SCRIPTS.keys() - TORCH))
def test_a_script_starts_with_what_it_uses(name):
    told = f"\nimport sys\nprint(*sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", imports_of(SCRIPTS[name]) + told],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) == MAY_IMPORT.get(name, set())


def test_the_table_names_scripts():
    assert (TORCH | MAY_IMPORT.keys()) <= SCRIPTS.keys()
    assert len(SCRIPTS) >= 19
