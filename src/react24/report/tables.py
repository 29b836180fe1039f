"""The table of metrics: one row per model or baseline, mean ± standard deviation over seeds.

The table comes in three forms: ``.tsv`` for programs (a column per number, a column saying whose
number it is), ``.md`` and ``.tex`` for people. The published REACT 2024 figures stand in a table
of their own below ours: other data, other features, never mixed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from react24.conventions import ARROWS, FPS, METRICS
from react24.files import contract
from react24.files.contract import StoreError

logger = logging.getLogger(__name__)

DECIMALS = {"FRCorr": 3, "FRDist": 2, "FRDiv": 5, "FRVar": 5, "FRDvs": 5, "TLCC": 2}

BASELINE = "baseline"
"""The variant that samples of baselines carry."""

NOT_PRETRAINED = "†"
APPROXIMATED = "‡"

STAND_INS = ("landmarks", "blendshapes")
"""Backends that stand in for OpenGraphAU, EmoNet and FaceVerse."""

OWN = "metrics of your own"

DOUBTS = "What is doubtful about the recordings"

HEADER = ["model", *(f"{n} {ARROWS[n]}" for n in METRICS[:-1]), "TLCC ↓ (frames, s)", "FRRea ↓"]
"""Columns of the tables for people."""

NO_FRREA = (
    "FRRea compares rendered with real frames and is empty: the workflow renders no reactions. "
    "Where there are frames, react24 evaluate computes it (docs/metrics.md)."
)


class OwnMetric(NamedTuple):
    """A metric of the user's own, as ``react24.contracts.metric.Metric`` explains."""

    name: str
    title: str
    arrow: str
    decimals: int


class Margin(NamedTuple):
    """A metric in which a model should do better than a naive baseline.

    Attributes:
        name: Column, e.g. ``FRCorr_over_Random``.
        title: For people.
        metric: An official metric.
        baseline: Name of the baseline.
        sign: 1 where more is better, -1 where less is.
    """

    name: str
    title: str
    metric: str
    baseline: str
    sign: int


MARGINS = (
    Margin("FRCorr_over_Random", "FRCorr above Random", "FRCorr", "Random", 1),
    Margin("FRCorr_over_MeanFr", "FRCorr above MeanFr", "FRCorr", "MeanFr", 1),
    Margin("FRDist_under_Random", "FRDist below Random", "FRDist", "Random", -1),
)


@dataclass(frozen=True)
class Table:
    """What the three forms are written from; every frame has a row per model, in table order.

    Attributes:
        models: What the first metrics file of a model says about it (columns of ``_read``), with
            ``seeds`` (tuple of int), ``pretrained`` (all of its files are), ``approximated``
            (scored on features of a stand-in) and ``marked`` (name with the marks not to miss).
        mean: Over seeds: official metrics, ``TLCC_seconds``, corrected variants, margins (positive
            where the model is better, in the metric's own unit; NaN where none is asked for),
            metrics of the user's own.
        std: Standard deviation over seeds, the same columns; NaN where there is one seed.
        corrected: Which of the columns are corrected variants.
        own: Which are metrics of the user's own.
    """

    models: pd.DataFrame
    mean: pd.DataFrame
    std: pd.DataFrame
    corrected: list[str]
    own: tuple[OwnMetric, ...] = ()


def _read(path: Path) -> dict[str, Any]:
    """What one metrics file says: what was scored, official metrics, corrected variants."""
    with contract.open_file(path, "metrics") as file:
        attrs = file.attrs
        official = {name: float(file["official"].attrs[name]) for name in METRICS}
        own = {name: dict(about.attrs) for name, about in file.get("own", {}).items()}
        return {
            "model": str(attrs["model"]),
            "variant": str(attrs.get("variant", "")),
            "split": str(attrs["split"]),
            "space": str(attrs["space"]),
            "clips": int(attrs["clips"]),  # directions that are scored
            "samples": int(attrs["samples"]),
            "seed": int(attrs["seed"]),
            "pretrained": bool(attrs["pretrained"]),
            "backend": str(attrs["backend"]),
            "appropriate": str(attrs["appropriate_source"]),
            "valid": float(attrs.get("valid", 1.0)),  # share of the frames
            "dropped": int(attrs.get("dropped", 0)),  # clips that were left out
            **official,
            "TLCC_seconds": official["TLCC"] / FPS,
            **{name: float(value) for name, value in file["corrected"].attrs.items()},
            OWN: tuple(
                OwnMetric(name, " ".join(about["title"].split()), about["arrow"], about["decimals"])
                for name, about in own.items()
            ),
            **{name: float(about["mean"]) for name, about in own.items()},
        }


def collect_table(paths: Sequence[Path]) -> Table:
    """Read metrics files and average each model over its seeds, in the order of the paths.

    Raises:
        StoreError: Files of different splits, spaces, samples or clips in one table, or two of
            the same model and seed.
    """
    runs = pd.DataFrame([_read(Path(path)) for path in paths])
    for name in ("split", "space", "samples", "clips"):
        if runs[name].nunique() > 1:
            found = sorted(set(runs[name]))
            raise StoreError(f"metrics files with different {name} in one table: {found}")
    if twice := [*runs[runs.duplicated(["model", "seed"])]["model"]]:
        raise StoreError(f"two metrics files of the same model and seed in one table: {twice}")
    corrected = list(runs.loc[:, "TLCC_seconds":OWN].columns[1:-1])
    if runs[OWN].nunique() > 1:
        raise StoreError(
            f"metrics files with different {OWN} in one table; score them all with the same "
            "metrics.own of the configuration"
        )
    own = runs[OWN].iloc[0]
    for margin in MARGINS:  # seed by seed; over the mean of a baseline that lacks the seed
        baseline = runs[runs["model"] == margin.baseline].set_index("seed")[margin.metric]
        other = runs["seed"].map(baseline).fillna(baseline.mean(skipna=False))
        ahead = margin.sign * (runs[margin.metric] - other)
        runs[margin.name] = ahead.where(runs["variant"] != BASELINE)
    groups = runs.groupby("model", sort=False)
    further = [*corrected, *(margin.name for margin in MARGINS), *(metric.name for metric in own)]
    values = groups[[*METRICS, "TLCC_seconds", *further]]
    models = runs.drop_duplicates("model").set_index("model").drop(columns="seed")
    models["seeds"] = groups["seed"].agg(tuple)
    models["pretrained"] = groups["pretrained"].all()
    models["approximated"] = models["backend"].str.contains("|".join(STAND_INS))
    models["marked"] = (
        models.index
        + models["variant"].map(lambda variant: f" ({variant})" if variant else "")
        + models["pretrained"].map({True: "", False: NOT_PRETRAINED})
        + models["approximated"].map({True: APPROXIMATED, False: ""})
    )
    return Table(models, values.mean(skipna=False), values.std(skipna=False), corrected, own)


def read_published() -> pd.DataFrame:
    """The published REACT 2024 figures (test split), as text: model, metrics, TLCC_seconds."""
    with resources.files("react24.report").joinpath("published.tsv").open("rb") as file:
        published = pd.read_csv(file, sep="\t", dtype=str)
    published["TLCC_seconds"] = (published["TLCC"].astype(float) / FPS).map("{:.2f}".format)
    return published


def tabulate_metrics(
    paths: Sequence[Path],
    *,
    tsv: Path,
    md: Path,
    tex: Path,
    doubts: Sequence[str] = (),
    doubtful: int = 0,
) -> None:
    """Write the table in its three forms.

    Args:
        paths: Metrics files of all models and seeds of one split, models in table order.
        tsv: For programs.
        md: For people, Markdown.
        tex: For papers, LaTeX (``booktabs``).
        doubts: Lines on what is doubtful about the recordings (``react24.report.notices``), which
            stand below the tables for people.
        doubtful: How many doubts there are about the sessions of this split.
    """
    table = collect_table(paths)
    forms = {
        tsv: format_tsv(table, doubtful),
        md: format_md(table, doubts),
        tex: format_tex(table, doubts),
    }
    for path, text in forms.items():
        with contract.atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    logger.info("table of %d rows: %s", len(table.models), md)


def format_tsv(table: Table, doubtful: int = 0) -> str:
    """Tab-separated: ours (``source`` = react24), then the published figures."""
    models = table.models
    official = models["appropriate"] == "official"
    ours = pd.DataFrame(
        {
            "source": "react24",
            "model": models.index,
            **models[["variant", "split", "space", "clips", "samples"]],
            "seeds": models["seeds"].map(lambda seeds: ",".join(map(str, seeds))),
            "pretrained": models["pretrained"].map({True: "true", False: "false"}),
            "backend": models["backend"],
            "appropriate": official.map({True: "official", False: "stand-in"}),
        }
    )
    several = models["seeds"].map(len) > 1
    for name in table.mean:
        ours[name] = table.mean[name].map("{:.9g}".format)
        ours[f"{name}_std"] = table.std[name].map("{:.9g}".format).where(several)
    for margin in MARGINS:
        asked = (models["variant"] != BASELINE) & (margin.baseline in models.index)
        ours.loc[~asked, [margin.name, f"{margin.name}_std"]] = None
    ours["FRRea"] = None  # see NO_FRREA
    ours["valid"] = models["valid"].map("{:.6g}".format)
    ours["dropped"], ours["notices"] = models["dropped"], doubtful
    published = read_published().assign(
        source="published",
        split="test",
        samples="5",
        seeds="3 seeds",
        pretrained="true",
        appropriate="official",
    )
    return pd.concat([ours.astype(object), published]).to_csv(
        sep="\t", index=False, lineterminator="\n"
    )


def _cells(table: Table, name: str, sign: str = "", decimals: int | None = None) -> pd.Series:
    """A value of every model for people: mean ± deviation, which a single seed has none of."""
    form = f".{DECIMALS.get(name, 3) if decimals is None else decimals}f"
    mean = table.mean[name].map(f"{{:{sign}{form}}}".format)
    spread = table.std[name].map(f" ± {{:{form}}}".format).where(table.std[name].notna(), "")
    return (mean + spread).where(table.mean[name].notna(), "undefined")


def _official(table: Table) -> pd.DataFrame:
    """The official metrics as text, a row per model."""
    cells = {name: _cells(table, name) for name in METRICS}
    cells["TLCC_seconds"] = table.mean["TLCC_seconds"].map("{:.2f}".format)
    return _for_people(pd.DataFrame({"model": table.models["marked"], **cells}))


def _own(table: Table) -> pd.DataFrame:
    """Metrics of the user's own as text, a row per model."""
    cells = {
        f"{name} {arrow}".strip(): _cells(table, name, "z", decimals)  # no -0.00
        for name, _, arrow, decimals in table.own
    }
    return pd.DataFrame({"model": table.models["marked"], **cells})


def _for_people(text: pd.DataFrame) -> pd.DataFrame:
    """Text with the columns model, metrics and TLCC_seconds under ``HEADER``."""
    text = text.assign(TLCC=text["TLCC"] + " (" + text["TLCC_seconds"] + " s)")
    text = text.reindex(columns=["model", *METRICS, "FRRea"], fill_value="–")
    return text.set_axis(HEADER, axis="columns")


def _protocol(table: Table) -> str:
    first = table.models.iloc[0]
    seeds = ", ".join(map(str, first["seeds"]))
    several = len(first["seeds"]) > 1
    over = f"mean ± standard deviation over seeds {seeds}" if several else f"seed {seeds}"
    return (
        f"Split {first['split']}: N = {first['clips']} directions, S = {first['samples']} "
        f"reactions each, {over}, scored in {first['space']} units. FRCorr and FRDist are "
        f"sums over the S samples, as the official code computes them (divide by S for a mean)."
    )


def _notes(table: Table) -> list[str]:
    models, notes = table.models, []
    first = models.iloc[0]
    if not models["pretrained"].all():
        notes.append(
            f"{NOT_PRETRAINED} depends on features of networks with RANDOM weights "
            "(pretrained=false): the row shows that the pipeline runs, not how good the model is."
        )
    if first["appropriate"] != "official":
        notes.append(f"Appropriate reactions are not the official ones. {first['appropriate']}.")
    if stand_ins := sorted(set(models["backend"][models["approximated"]])):
        notes.append(
            f"{APPROXIMATED} emotion stream and coefficients come from the backend "
            f"{', '.join(stand_ins)}, an approximation of OpenGraphAU, EmoNet and FaceVerse: do "
            "not compare with published figures."
        )
    if stuck := [str(name) for name, lag in table.mean["TLCC"].items() if math.isclose(lag, 49.0)]:
        notes.append(
            "TLCC = 49.00 frames is the maximal lag and what the official code returns when a "
            f"channel is constant over the clip ({', '.join(stuck)}); the corrected columns leave "
            "constant channels out."
        )
    if first["dropped"]:
        pairs = first["dropped"] + first["clips"] // 2
        notes.append(
            f"{first['dropped']} of {pairs} clips of this split are left out, in both directions: "
            "a face is unknown in too many of their frames (clips.min_valid)."
        )
    if first["valid"] < 1:
        # Rounded down, so that nobody reads 100 where it is less.
        share = math.floor(1000 * first["valid"]) / 10
        notes.append(
            f"The face is known in {share:.1f} % of the frames that are scored. Official numbers "
            "take what stands in the others for behaviour; the corrected ones leave it out."
        )
    return [*notes, NO_FRREA]


def _markdown(text: pd.DataFrame) -> list[str]:
    # Not `to_markdown`, which pads every cell: these rows are too long to be read as they stand.
    rows = [[*text.columns], ["---"] * text.shape[1], *text.to_numpy().tolist()]
    return ["| " + " | ".join(cells) + " |" for cells in rows]


def format_md(table: Table, doubts: Sequence[str] = ()) -> str:
    """Markdown: all of ours, doubts, published figures, notes."""
    corrected = {"model": table.models["marked"]}
    corrected |= {name: _cells(table, name) for name in table.corrected}
    lines = [f"# Metrics, {table.models['split'].iloc[0]} split", "", _protocol(table), ""]
    lines += ["## Official semantics", "", *_markdown(_official(table)), ""]
    lines += [*(f"{note}\n" for note in _notes(table))]
    lines += _margin_lines(table)
    if table.own:
        lines += ["## Metrics of your own", ""]
        lines += [*(f"- {metric.name}: {metric.title}" for metric in table.own), ""]
        lines += [*_markdown(_own(table)), ""]
    lines += ["## Corrected variants", "", "What each name means: docs/metrics.md.", ""]
    lines += [*_markdown(pd.DataFrame(corrected)), ""]
    if doubts:
        lines += [f"## {DOUBTS}", "", *(f"- {line}" for line in doubts), ""]
    lines += ["## Published REACT 2024 figures (other data and features, for orientation only)", ""]
    lines += ["Test split, 5 samples per clip, mean over 3 seeds, as published.", ""]
    lines += [*_markdown(_for_people(read_published())), ""]
    return "\n".join(lines)


def _margin_lines(table: Table) -> list[str]:
    """How far each model is ahead of the naive baselines; none where there is none of either."""
    models = table.models
    shown = [margin for margin in MARGINS if margin.baseline in models.index]
    text = pd.DataFrame(
        {"model": models["marked"]} | {m.title: _cells(table, m.name, "+") for m in shown}
    )[models["variant"] != BASELINE]
    if text.empty or not shown:
        return []
    lines = ["## Ahead of the naive baselines", ""]
    lines += ["Seed by seed; positive is better. Any useful model is ahead in all of them.", ""]
    return [*lines, *_markdown(text), ""]


_TEX = str.maketrans(
    {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "±": r"$\pm$", "†": r"$^\dagger$"}
    | {"‡": r"$^\ddagger$", "–": "--", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#"}
    | {"$": r"\$", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}"}
    | {"^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
)


def _tabular(text: pd.DataFrame) -> list[str]:
    # Not `to_latex`, which asks for jinja2.
    rows = [[str(cell).translate(_TEX) for cell in row] for row in ([*text], *text.to_numpy())]
    header, *body = [" & ".join(cells) + r" \\" for cells in rows]
    columns = "l" + "r" * (text.shape[1] - 1)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", header, r"\midrule", *body]
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def format_tex(table: Table, doubts: Sequence[str] = ()) -> str:
    """LaTeX: ``tabular`` environments (``booktabs``) of ours and of the published figures."""
    lines = [r"% Needs \usepackage{booktabs}.", "% " + _protocol(table)]
    lines += [*_tabular(_official(table)), ""]
    if table.own:
        lines += ["% Metrics of your own."]
        lines += [*(f"% {metric.name}: {metric.title}" for metric in table.own)]
        lines += [*_tabular(_own(table)), ""]
    lines += [note.translate(_TEX) + r"\\" for note in _notes(table)]
    if doubts:
        lines += [line.translate(_TEX) + r"\\" for line in (f"{DOUBTS}:", *doubts)]
    lines += ["", "% Published REACT 2024 figures: other data and features, for orientation only."]
    return "\n".join([*lines, *_tabular(_for_people(read_published())), ""])
