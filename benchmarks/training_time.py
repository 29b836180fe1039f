"""How long training takes: steps and CPU hours of every stage, with both presets.

    PYTHONPATH=src:tests python benchmarks/training_time.py [--directions 100] [--steps 8]

Synthetic clips of 30 s, ``variant: fixed``, no validation split, one thread. The steps of the whole
training are counted as the loop counts them; the CPU seconds of a step are those of ``--steps``
steps after two that do not count; what a stage does once behind them (TranVAE's emotion head) is
in the hours. Trans-VAE is left out: it reads videos
(``official_models.py`` times its step).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
from helpers.clips_factory import write_appropriate, write_streams

from react24 import models as registry
from react24.project.model_entries import resolve_model
from react24.training import stage as stages
from react24.training.stage import SplitFiles, StageOutput, train_stage

MODELS = ("belfusion", "tranvae", "regnn")
WARM_UP = 2


def measure(model: str, preset: str, split: SplitFiles, folder: Path, steps: int) -> None:
    """Print a line for every stage of a model."""
    overrides = {"visual": "graphau"} if model == "regnn" else {}
    entry = {"preset": preset, "variant": "fixed", "overrides": overrides}
    settings = resolve_model(model, entry)
    settings["training"] = {**settings["training"], "keep_best": None}
    fit, needed = stages.fit, {}
    for stage in registry.get(settings["type"]).stage_names:
        seen = {}

        def timed(task, loop, *, seen=seen, **options):
            seen["steps"] = min(loop.epochs * task.steps_per_epoch, loop.max_steps or 2**62)
            step, seen["marks"] = task.loss, []

            def counted(*arguments, **keywords):
                seen["marks"].append(time.process_time())
                return step(*arguments, **keywords)

            task.loss = counted
            finish = task.finish

            def finished():
                began = time.process_time()
                finish()
                seen["finish"] = time.process_time() - began

            task.finish = finished
            return fit(task, loop.model_copy(update={"max_steps": WARM_UP + steps + 1}), **options)

        output = StageOutput(folder / stage, folder / f"{stage}_points", "benchmark")
        with mock.patch.object(stages, "fit", timed):
            train_stage(stage, settings, split, None, output, seed=0, needed=needed, device="cpu")
        needed[stage] = folder / stage
        marks = seen["marks"][WARM_UP:]
        seconds = (marks[-1] - marks[0]) / (len(marks) - 1)
        hours = (seconds * seen["steps"] + seen["finish"]) / 3600
        line = f"| {model} {stage} | {preset} | {seen['steps']} | {seconds:.3f} | {hours:.2f} |"
        print(line, flush=True)


def main() -> None:
    """Measure all models."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directions", type=int, default=100, help="clips, both roles counted")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    options = parser.parse_args()
    print("| stage | preset | steps | CPU s/step | CPU h |\n| --- | --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as name:
        folder, pairs = Path(name), options.directions // 2
        streams = ("graphau", "faceverse", "vggish")
        clips = write_streams(folder / "clips", pairs, streams=streams)
        same = write_appropriate(folder / "a.h5", np.eye(2 * pairs))
        for model in options.models:
            reads = [s for s in streams if s != "vggish" or model != "belfusion"]
            split = SplitFiles({s: clips[s] for s in reads}, same)
            for preset in ("official", "quick"):
                measure(model, preset, split, folder / f"{model}_{preset}", options.steps)


if __name__ == "__main__":
    main()
