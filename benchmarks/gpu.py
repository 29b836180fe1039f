"""What a GPU makes of it: every model trained, sampled, every network run, against the processor.

    PYTHONPATH=src:tests python benchmarks/gpu.py --output gpu_figures [--minutes 10]
    PYTHONPATH=src:tests python benchmarks/gpu.py --device cpu --steps 2 --small   # a rehearsal

Official sizes, ``variant: fixed``, synthetic clips, random weights. For each stage of each model:
steps per second, the largest memory of the GPU, the share of a step that waits for its batch, and
how far the losses of the first steps are from those of the processor; for each model, reactions per
second and how far they are from the processor's; for each network, rows per second and the same.
``--options`` also trains with bf16-mixed, tf32 and torch.compile, beside the plain run.

A part that fails is told with its reason, and the others go on. Whatever is known stands in
``OUTPUT/figures.json`` and ``OUTPUT/figures.md`` (tables for benchmarks/README.md) after each part.
``--tests`` runs ``pytest -m gpu`` at the end. No part begins after ``--minutes``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from helpers import every_model

from react24 import __version__
from react24 import models as registry
from react24.devices import choose_device
from react24.sampling.sample import Sampling, draw_reactions
from react24.streams import swin, vggish, wav2vec2
from react24.streams.sources import PictureSource, SoundSource
from react24.training.batches import BatchLoader
from react24.training.checkpoint import CheckpointFolder
from react24.training.engine import open_engine, prepare_processor
from react24.training.export import git_version
from react24.training.loop import _Run
from react24.training.settings import read_loop_settings

ROOT = Path(__file__).parents[1]
MODELS = ("belfusion", "tranvae", "regnn", "transvae")
COMPARED_STEPS = 2
"""Steps whose losses are compared with the processor's."""

WARM_UP = 5
"""Steps that do not count: the first ones choose algorithms."""

LOSSES, REACTIONS, ROWS = 1e-3, 1e-2, 1e-3
"""Differences that are accepted: of a loss, relative; of reactions and of rows, the largest
absolute difference in units of the processor's standard deviation. Matrix products on two
processors add in another order, about 1e-6 relative; sixteen DDIM or fixed point steps, fifty
recurrent ones and twelve layers make more of it. A code drawn otherwise is another reaction, so
that Learning2Listen's reactions are judged by the share of equal frames."""

OPTIONS: dict[str, dict[str, Any]] = {
    "bf16": {"precision": "bf16-mixed"},
    "tf32": {"tf32": True},
    "compile": {"compile": True},
}


class Report:
    """Rows by table, written after each one."""

    def __init__(self, folder: Path, about: Mapping[str, Any]):
        self.folder, self.about = folder, dict(about)
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.failures: list[dict[str, str]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, table: str, **row: Any) -> None:
        """One more row of a table."""
        self.tables.setdefault(table, []).append(row)
        print(table, row, flush=True)
        self.write()

    def fail(self, part: str, error: BaseException) -> None:
        """A part that failed, and why."""
        reason = f"{type(error).__name__}: {error}"
        self.failures.append({"part": part, "reason": reason, "trace": traceback.format_exc()})
        print(f"FAILED {part}: {reason}", flush=True)
        self.write()

    def write(self) -> None:
        """Both files, with what is known."""
        content = {"about": self.about, "tables": self.tables, "failures": self.failures}
        (self.folder / "figures.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        (self.folder / "figures.md").write_text(self.markdown(), "utf-8")

    def markdown(self) -> str:
        """Tables as benchmarks/README.md has them."""
        lines = ["; ".join(f"{name} {value}" for name, value in self.about.items()), ""]
        for rows in self.tables.values():
            names = list(dict.fromkeys(name for row in rows for name in row))
            lines += [_line(names), _line(["---"] * len(names))]
            lines += [_line([_cell(row.get(name, "")) for name in names]) for row in rows] + [""]
        lines += [f"Failed: {one['part']}: {one['reason']}" for one in self.failures]
        return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class Meter:
    """Memory of the GPU and wall time; on a processor CPU time, whatever else runs there."""

    def __init__(self, device: torch.device):
        self.on_gpu = device.type == "cuda"
        self.clock = time.perf_counter if self.on_gpu else time.process_time

    def __enter__(self) -> Meter:
        if self.on_gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        self.began = self.clock()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.on_gpu:
            torch.cuda.synchronize()
        self.seconds = self.clock() - self.began
        self.peak_mib = torch.cuda.max_memory_allocated() / 2**20 if self.on_gpu else "-"


class Bench:
    """The parts, and what they share."""

    def __init__(self, options: argparse.Namespace, folder: Path):
        self.options, self.device = options, choose_device(options.device)
        self.clips = every_model.write_clips(folder, 4 if options.small else 64)
        self.folder = folder

    def settings(self, model: str) -> dict[str, Any]:
        """Official sizes, or small ones; epochs enough for all steps."""
        if self.options.small:
            return every_model.settings_of(model, "fixed", {})
        entry = {"type": model, "variant": "fixed"}
        entry |= {"regnn": {"visual": "graphau"}, "tranvae": {"sound": "vggish"}}.get(model, {})
        return registry.get(model).read_settings(entry, model)

    def parts(self) -> Iterator[tuple[str, Callable[[Report], None]]]:
        """Name and work of each part, the most telling first."""
        for model in self.options.models:
            yield f"{model}, training", lambda r, m=model: self.train(r, m)
            for name in OPTIONS if self.options.options else ():
                yield f"{model}, {name}", lambda r, m=model, n=name: self.train(r, m, n)
            yield f"{model}, sampling", lambda r, m=model: self.sample(r, m)
        for name in ("vggish", "wav2vec2", "swin"):
            yield name, lambda r, n=name: self.extract(r, n)

    # ------------------------------------------------------------------------------- training

    def train(self, report: Report, model: str, option: str | None = None) -> None:
        """All stages of a model; without an option also compared with the processor."""
        settings = self.settings(model)
        expected = self.first_losses(settings, torch.device("cpu"), "") if not option else {}
        for stage, task in every_model.make_tasks(settings, self.clips).items():
            row = self.time_steps(task, OPTIONS.get(option or "", {}))
            if stage in expected:
                found = self.first_losses(settings, self.device, stage)[stage]
                pairs = zip(found, expected[stage], strict=True)
                row["loss off by"] = max(abs(a - b) / max(abs(b), 1e-12) for a, b in pairs)
                row["as accepted"] = "yes" if row["loss off by"] <= LOSSES else "NO"
            report.add("training", stage=f"{model} {stage}", how=option or "float32", **row)

    def run(self, task: Any, device: torch.device, steps: int, **training: Any) -> _Run:
        """The loop's own run of a stage, unstarted."""
        loop = read_loop_settings({"max_steps": steps, **training}, epochs=10**6)
        engine = open_engine(str(device), precision=loop.precision, tf32=loop.tf32)
        return _Run(task, loop, CheckpointFolder(self.folder / "points", {}), 0, engine)

    def first_losses(
        self, settings: Mapping[str, Any], device: torch.device, only: str
    ) -> dict[str, list[float]]:
        """Losses of the first steps of each stage, all with the same weights, batches and noise.

        Dropout draws its own numbers on each device; it is off.
        """
        found = {}
        for stage, task in every_model.make_tasks(settings, self.clips).items():
            if only in ("", stage):
                run = self.run(task, device, COMPARED_STEPS)
                run.model.train()
                for part in task.module.modules():
                    if isinstance(part, torch.nn.Dropout):
                        part.p = 0.0
                    elif isinstance(getattr(part, "dropout", None), float):
                        part.dropout = 0.0
                with run._batches() as batches:
                    steps = range(COMPARED_STEPS)
                    found[stage] = [run._train_step(batches)["loss"].item() for _ in steps]
        return found

    def time_steps(self, task: Any, training: Mapping[str, Any]) -> dict[str, Any]:
        """Steps per second, memory, and the share of the time that goes into waiting for data."""
        steps = self.options.steps
        warm_up = min(WARM_UP, steps)
        run = self.run(task, self.device, warm_up + steps, **training)
        run.model.train()
        waited = [0.0]
        take = BatchLoader.take

        def timed(loader: BatchLoader, step: int) -> Any:
            began = meter.clock()
            shard = take(loader, step)
            waited[0] += meter.clock() - began
            return shard

        meter = Meter(self.device)

        with mock.patch.object(BatchLoader, "take", timed), run._batches() as batches:
            for _ in range(warm_up):
                run._train_step(batches)
            waited[0] = 0.0
            with meter:
                for _ in range(steps):
                    run._train_step(batches)
        return {
            "steps/s": steps / meter.seconds,
            "peak MiB": meter.peak_mib,
            "waits for data": f"{waited[0] / meter.seconds:.0%}",
        }

    # ------------------------------------------------------------------------------- sampling

    def sample(self, report: Report, model: str) -> None:
        """Reactions, and those of the processor from the same weights and noise."""
        settings = self.settings(model)
        tasks = every_model.make_tasks(settings, self.clips)
        task = Sampling(model, "train", samples=2 if self.options.small else 10, seed=0)
        rows = torch.arange(2 if self.options.small else 8)
        found = {}
        with every_model.read_speakers(settings, self.clips) as speakers:
            for device in (torch.device("cpu"), self.device):
                made = every_model.make_model(settings, tasks)
                made.to(device)
                count = rows[:2] if len(found) == 0 else rows
                draw_reactions(rows[:1], speakers, made, task, device)  # warm up
                with Meter(device) as meter:
                    drawn = draw_reactions(count, speakers, made, task, device)
                found[len(found)] = drawn["emotion"]
        wanted, got = found[0], found[1][: len(found[0])]
        row: dict[str, Any] = {"reactions/s": len(rows) * task.samples / meter.seconds}
        row["peak MiB"] = meter.peak_mib
        if model == "tranvae":
            same = np.isclose(got, wanted, atol=REACTIONS * wanted.std()).mean()
            row |= {"equal values": f"{same:.1%}", "as accepted": "yes" if same > 0.9 else "NO"}
        else:
            row |= _differ(got, wanted, REACTIONS)
        report.add("sampling", model=model, **row)

    # ----------------------------------------------------------------------------- extraction

    def extract(self, report: Report, name: str) -> None:
        """Rows of a network, and the processor's."""
        seconds = 2 if self.options.small else 30
        frames = 25 * seconds
        rng = np.random.default_rng(0)

        def sound(rate: int) -> SoundSource:
            values = rng.standard_normal(seconds * rate).astype(np.float32)
            return SoundSource(np.clip(0.1 * values, -1, 1), frames)

        if name == "swin":
            frames = 8 if self.options.small else 200
            shown = rng.integers(0, 256, (frames, 224, 224, 3)).astype(np.uint8)
            make: Callable[[str], Any] = lambda device: swin.Swin(device=device)  # noqa: E731
            sources = [PictureSource(iter(shown), np.ones(frames, bool)) for _ in range(3)]
        elif name == "vggish":
            make = lambda device: vggish.VGGish(device=device, postprocess=False)  # noqa: E731
            sources = [sound(24000)] * 3
        else:
            make = lambda device: wav2vec2.Wav2Vec2(device=device)  # noqa: E731
            sources = [sound(16000)] * 3
        wanted = make("cpu").extract(sources[0]).values
        extractor = make(str(self.device))
        extractor.extract(sources[1])  # warm up
        with Meter(self.device) as meter:
            got = extractor.extract(sources[2]).values
        row = {"rows/s": frames / meter.seconds, "peak MiB": meter.peak_mib}
        report.add("extraction", network=name, **row, **_differ(got, wanted, ROWS))


def _differ(got: np.ndarray, wanted: np.ndarray, accepted: float) -> dict[str, Any]:
    off = float(np.abs(got - wanted).max() / wanted.std())
    return {"off by": off, "as accepted": "yes" if off <= accepted else "NO"}


def about(device: torch.device) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    return {
        "device": name or device.type,
        "torch": torch.__version__,
        "react24": __version__,
        "commit": git_version() or "unknown",
        "times": "wall" if device.type == "cuda" else "CPU seconds",
    }


def run_tests(report: Report) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    last = (done.stdout.strip().splitlines() or [done.stderr[-300:]])[-1]
    report.add("tests", marker="gpu", result=last)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, cpu (to rehearse)")
    parser.add_argument("--steps", type=int, default=50, help="that count, of each stage")
    parser.add_argument("--minutes", type=float, default=10.0, help="after which no part begins")
    parser.add_argument("--output", type=Path, default=Path("gpu_figures"))
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--parts", nargs="+", default=[""], help="words in the names of parts")
    parser.add_argument("--threads", type=int, default=4, help="of the processor")
    parser.add_argument("--small", action="store_true", help="small models, to rehearse")
    parser.add_argument("--options", action="store_true", help="also bf16, tf32 and compile")
    parser.add_argument("--tests", action="store_true", help="pytest -m gpu at the end")
    options = parser.parse_args()
    began = time.monotonic()
    prepare_processor(options.threads)
    report = Report(options.output, about(choose_device(options.device)))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        bench = Bench(options, Path(folder))
        parts = [part for part in bench.parts() if any(word in part[0] for word in options.parts)]
        if options.tests:
            parts.append(("tests", run_tests))
        for name, work in parts:
            if time.monotonic() - began > 60 * options.minutes:
                report.fail(name, TimeoutError(f"not begun: {options.minutes:g} minutes are over"))
                continue
            try:
                work(report)
            except Exception as error:  # told, and the others go on
                report.fail(name, error)
    print(report.markdown())
    sys.exit(bool(report.failures))


if __name__ == "__main__":
    main()
