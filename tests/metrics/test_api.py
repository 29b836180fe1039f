"""``react24.metrics`` as a library: what it needs at import, and which arrays it takes."""

import math
import subprocess
import sys

import numpy as np
import pytest

from react24.metrics import evaluate, frcorr, frdist, frdiv, frdvs, frvar, tlcc

BLOCKED = (
    *("snakemake", "torch", "torchvision", "lightning", "transformers", "safetensors"),
    *("cv2", "mediapipe", "av", "skimage", "soundfile", "matplotlib", "pandas", "tensorboard"),
)

IMPORT = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED}:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)

sys.meta_path.insert(0, Blocker())
import numpy as np
from react24.metrics import evaluate, frcorr, frdist, frdiv, frdvs, frvar, tlcc

rng = np.random.default_rng(0)
P, G = rng.random((2, 2, 60, 25)), rng.random((2, 60, 25))
print(frcorr(P, G, np.eye(2)).official, frvar(P).official)
assert not set(sys.modules) & set({BLOCKED})
"""


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(5)
    predictions = rng.random((4, 3, 80, 25), np.float32)
    truth, speaker = rng.random((2, 4, 80, 25), np.float32)
    matrix = np.eye(4)
    matrix[0, 2] = 1
    return predictions, truth, speaker, matrix


def test_import_needs_neither_workflow_nor_networks():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = map(float, done.stdout.split())
    assert abs(first) < 1
    assert second == pytest.approx(1 / 12, rel=0.1)


def test_tensors_give_what_arrays_give(arrays):
    import torch

    expected = evaluate(*arrays)
    tensors = [torch.from_numpy(a) for a in arrays]
    tensors[0].requires_grad_()
    tensors[3] = tensors[3].bool()
    found = evaluate(*tensors)
    assert found.official == expected.official
    assert found.corrected == expected.corrected
    half = frvar(tensors[0].bfloat16()).official
    assert half == pytest.approx(expected.official["FRVar"], rel=1e-2)


def test_evaluate_is_the_function_and_agrees_with_the_single_ones(arrays):
    predictions, truth, speaker, matrix = arrays
    scores = evaluate(predictions, truth, speaker, matrix)
    assert scores.official == {
        "FRCorr": frcorr(predictions, truth, matrix).official,
        "FRDist": frdist(predictions, truth, matrix).official,
        "FRDiv": frdiv(predictions).official,
        "FRVar": frvar(predictions).official,
        "FRDvs": frdvs(predictions).official,
        "TLCC": tlcc(predictions, speaker).official,
    }


def test_a_single_sample_has_no_diversity(arrays):
    predictions, truth, speaker, matrix = arrays
    scores = evaluate(predictions[:, :1], truth, speaker, matrix)
    assert scores.official["FRDiv"] == 0.0
    assert math.isnan(scores.corrected["FRDiv_defined"])
    assert math.isnan(scores.corrected["FRDvs_between"])


def test_diversity_between_clips_leaves_the_noise_of_the_samples_out():
    """A reaction of noise alone is as diverse between clips as within; one of the speaker alone
    has all of its diversity between clips."""
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((30, 10, 60, 25)).astype(np.float32)
    other = np.zeros((30, 60, 25), np.float32)
    of_noise = evaluate(noise, other, other, np.eye(30))
    assert of_noise.official["FRDvs"] == pytest.approx(2.0, rel=0.02)
    assert abs(of_noise.corrected["FRDvs_between"]) < 0.01
    of_clip = evaluate(np.repeat(noise[:, :1], 10, axis=1), other, other, np.eye(30))
    assert of_clip.corrected["FRDvs_between"] == of_clip.official["FRDvs"]
    both = evaluate(noise + 2 * noise[::-1, :1], other, other, np.eye(30))
    assert both.corrected["FRDvs_between"] == pytest.approx(8.0, rel=0.1)
