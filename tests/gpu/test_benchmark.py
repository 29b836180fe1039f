"""The prepared script for a machine with a GPU, rehearsed on the processor."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def run(gpu, folder, monkeypatch, *options):
    command = ["gpu.py", "--device", "cpu", "--small", "--steps", "1", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", [*command, "--output", str(folder), *options])
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    return ended.value.code, json.loads((folder / "figures.json").read_text())


def test_a_part_that_fails_is_told_and_the_others_go_on(gpu, tmp_path, monkeypatch):
    def fail(self, report, name):
        raise RuntimeError(f"no {name} here")

    monkeypatch.setattr(gpu.Bench, "extract", fail)
    code, found = run(gpu, tmp_path, monkeypatch, "--models", "belfusion")
    assert code == 1
    assert [one["part"] for one in found["failures"]] == ["vggish", "wav2vec2", "swin"]
    stages = found["tables"]["training"]
    assert [row["stage"] for row in stages] == ["belfusion vae", "belfusion ldm"]
    assert all(row["loss off by"] == 0 for row in stages)  # the processor against itself
    assert all(row["steps/s"] > 0 for row in stages)
    assert found["tables"]["sampling"][0]["off by"] < 1e-4
    table = (tmp_path / "figures.md").read_text()
    assert "| belfusion ldm | float32 |" in table
    assert "Failed: swin: RuntimeError: no swin here" in table


def test_no_part_begins_when_the_time_is_over(gpu, tmp_path, monkeypatch):
    code, found = run(gpu, tmp_path, monkeypatch, "--minutes", "0", "--models", "regnn")
    assert code == 1
    assert not found["tables"]
    assert len(found["failures"]) == 5


def test_a_difference_that_is_too_large_is_told(gpu):
    wanted = np.linspace(0, 1, 50)
    assert gpu._differ(wanted, wanted, 1e-3)["as accepted"] == "yes"
    assert gpu._differ(wanted + 0.01, wanted, 1e-3)["as accepted"] == "NO"
