"""``react24 evaluate`` and ``react24 compare``: scoring without the workflow."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from react24.cli.options import count_cores, say
from react24.errors import InputError

if TYPE_CHECKING:
    from react24.metrics.compare import Comparison
    from react24.metrics.frrea.frrea import FRRea
    from react24.metrics.score_files import Evaluation, Resampling, ScoreOptions

EVALUATE = "Score predictions of any model against the ground truth of a split."
COMPARE = "Test whether two models differ on the same clips."


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Options of ``react24 evaluate``."""
    add = parser.add_argument
    what = "samples file (.h5), array (.npy, .npz) or folder of result-0.pth (or .csv) ..."
    add("--predictions", type=Path, required=True, metavar="PATH", help=what)
    _add_data(parser, required=True)
    _add_scoring(parser)
    what = "add confidence intervals, such as 0.95"
    add("--confidence", type=float, metavar="LEVEL", help=what)
    _add_resampling(parser)
    what = "pictures of the real listeners, for FRRea"
    add("--frames-real", type=Path, metavar="DIR", help=what)
    add("--frames-made", type=Path, metavar="DIR", help="pictures of the rendered reactions")
    what = "take every K-th picture of each folder (1; officially every 30th frame)"
    add("--frames-every", type=int, default=1, metavar="K", help=what)
    what = "weights of the network, or their path (%(default)s, fetched where it is missing)"
    add("--frames-weights", default="fid-inception", metavar="NAME", help=what)


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Options of ``react24 compare``."""
    add = parser.add_argument
    what = (
        "predictions (as for evaluate, with --data and --split), or metrics files of the workflow"
    )
    add("first", type=Path, metavar="A", help=what)
    add("second", type=Path, metavar="B", help="what A is compared with")
    _add_data(parser, required=False)
    _add_scoring(parser)
    what = "of the intervals (0.95)"
    add("--confidence", type=float, default=0.95, metavar="LEVEL", help=what)
    _add_resampling(parser)


def _add_data(parser: argparse.ArgumentParser, *, required: bool) -> None:
    add = parser.add_argument
    what = (
        "ground truth: folder of the official data, results folder or graphau clips file of the "
        "workflow"
    )
    add("--data", type=Path, required=required, metavar="PATH", help=what)
    add("--split", required=required, help="such as val or test")
    what = (
        "matrix of appropriate reactions (.npy, or the workflow's .h5) in place of the one that "
        "lies with the data"
    )
    add("--appropriate", type=Path, metavar="PATH", help=what)


def _add_scoring(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    what = "some of FRCorr, FRDist, FRDiv, FRVar, FRDvs, TLCC (all)"
    add("--metrics", metavar="NAME,...", help=what)
    what = "score the first S samples of each clip (all)"
    add("--samples", type=int, metavar="S", help=what)
    what = "accept values far outside 0 to 1 (-1 to 1)"
    add("--any-range", action="store_true", help=what)
    what = "clips scored side by side (%(default)s)"
    add("--threads", type=int, default=count_cores(), help=what)
    what = "cpu or cuda; auto takes a GPU for the network of FRRea only (%(default)s)"
    add("--device", default="auto", help=what)
    add("--json", type=Path, metavar="OUT", help="write the numbers here, too")


def _add_resampling(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    what = "what is drawn as a whole (session: the clips of a recording are not independent)"
    add("--resample", choices=("session", "clip"), default="session", help=what)
    add("--resamples", type=int, default=9999, help="how many (9999)")
    add("--seed", type=int, default=0, help="of the resampling (0)")


def run_evaluate(options: argparse.Namespace) -> None:
    """``react24 evaluate``."""
    from react24.metrics.score_files import evaluate_files

    if (options.frames_real is None) != (options.frames_made is None):
        raise InputError("FRRea needs both --frames-real and --frames-made")
    found = evaluate_files(
        options.predictions,
        options.data,
        options.split,
        appropriate=options.appropriate,
        options=_scoring(options),
        resampling=_resampling(options) if options.confidence is not None else None,
    )
    if options.frames_real is not None:
        found = replace(found, frrea=_frrea(options))
    _write_json(options.json, found.as_dict())
    say(format_evaluation(found))


def _frrea(options: argparse.Namespace) -> FRRea:
    from react24.metrics.frrea.frrea import frrea

    return frrea(
        options.frames_real,
        options.frames_made,
        weights=options.frames_weights,
        every=options.frames_every,
        device=options.device,
    )


def run_compare(options: argparse.Namespace) -> None:
    """``react24 compare``."""
    from react24.metrics.compare import compare_files, compare_metrics_files

    if options.data is None:
        found = compare_metrics_files(options.first, options.second, _resampling(options))
    else:
        if options.split is None:
            raise InputError("--data needs --split, such as --split val")
        found = compare_files(
            options.first,
            options.second,
            options.data,
            options.split,
            appropriate=options.appropriate,
            options=_scoring(options),
            resampling=_resampling(options),
        )
    _write_json(options.json, found.as_dict())
    say(format_comparison(found))


def _scoring(options: argparse.Namespace) -> ScoreOptions:
    from react24.metrics.score_files import ScoreOptions
    from react24.metrics.summary import choose_metrics

    names = None if options.metrics is None else [n for n in options.metrics.split(",") if n]
    return ScoreOptions(
        metrics=choose_metrics(names),
        samples=options.samples,
        any_range=options.any_range,
        threads=options.threads,
        device=None if options.device in ("auto", "cpu") else options.device,
    )


def _resampling(options: argparse.Namespace) -> Resampling:
    from react24.metrics.score_files import Resampling

    return Resampling(options.confidence, options.resample, options.resamples, options.seed)


def format_evaluation(found: Evaluation) -> str:
    """The table of ``evaluate``: official numbers first, then the repaired ones."""
    lines = [
        f"{found.predictions}, split {found.split} of {found.data}",
        f"N = {found.clips} directions, S = {found.samples} samples, T = {found.frames} frames",
        f"Appropriate reactions: {found.appropriate}",
        "",
        f"Official (FRCorr and FRDist are sums over the {found.samples} samples):",
        *_rows(found.official, found),
        f"  {'FRRea':<20}{_realism(found.frrea)}",
        "",
        "Corrected (docs/metrics.md says what each repairs):",
        *_rows(found.corrected, found),
    ]
    if found.resampling:
        lines += [
            "",
            f"In brackets: {100 * found.resampling.level:g} % bootstrap intervals over "
            f"{len(set(found.groups))} {found.resampling.by}s.",
        ]
    return "\n".join(lines)


def _rows(values: Mapping[str, float], found: Evaluation) -> list[str]:
    rows = []
    for name, value in values.items():
        text = f"  {name:<20}{_number(value):>12}"
        if name in found.intervals:
            interval = found.intervals[name]
            text += f"  [{_number(interval.low)}, {_number(interval.high)}]"
        rows.append(text)
    return rows


def _realism(found: FRRea) -> str:
    if found.value is None:
        return f"{'–':>12}  {found.reason}"
    return f"{_number(found.value):>12}  ({found.real} real and {found.made} made frames)"


def format_comparison(found: Comparison) -> str:
    """The table of ``compare``."""
    level = f"{100 * found.resampling.level:g} % interval"
    header = f"{'':<20}{'A':>12}{'B':>12}{'A - B':>12}  {level:<26}{'p':>8}"
    rows = [header]
    for name, d in found.differences.items():
        ends = f"[{_number(d.interval.low)}, {_number(d.interval.high)}]"
        numbers = "".join(f"{_number(v):>12}" for v in (d.first, d.second, d.difference))
        rows.append(f"{name:<20}{numbers}  {ends:<26}{_number(d.p):>8}")
    first = found.first
    return "\n".join(
        [
            f"A: {first.predictions}",
            f"B: {found.second.predictions}",
            f"Split {first.split}, N = {first.clips} directions, S = {first.samples} samples; "
            f"resampled: {len(set(first.groups))} {found.resampling.by}s.",
            "",
            *rows,
            "",
            "p: paired permutation test, two-sided, for each number on its own.",
        ]
    )


def _number(value: float) -> str:
    return "undefined" if value != value else f"{value:.5g}"


def _write_json(path: Path | None, content: Mapping[str, Any]) -> None:
    from react24.files.contract import atomic_path

    if path is not None:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
