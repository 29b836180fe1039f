"""The table of metrics: one row per model or baseline, mean ± standard deviation over seeds.

The table comes in three forms: ``.tsv`` for programs (a column per number, a column saying whose
number it is), ``.md`` and ``.tex`` for people. The published REACT 2024 figures stand in a table
of their own below ours: other data, other features, never mixed.
"""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from react24.conventions import ARROWS, FPS, METRICS
from react24.files import contract
from react24.files.contract import StoreError
from react24.report.margins import COMPARISONS, Value, margins, over_seeds

logger = logging.getLogger(__name__)

DECIMALS = {"FRCorr": 3, "FRDist": 2, "FRDiv": 5, "FRVar": 5, "FRDvs": 5, "TLCC": 2}

BASELINE = "baseline"
"""The variant that samples of baselines carry."""

NOT_PRETRAINED = "†"
APPROXIMATED = "‡"

STAND_INS = ("landmarks", "blendshapes")
"""Backends that stand in for OpenGraphAU, EmoNet and FaceVerse."""


@dataclass(frozen=True)
class Row:
    """One model or baseline.

    Attributes:
        official: Metric -> value over seeds, official semantics.
        corrected: Name -> value over seeds, repaired variants.
        seeds: Seeds that went in.
        samples: S, reactions per clip.
        clips: N, directions scored.
        pretrained: False if a feature it depends on came from random weights.
        backend: How the features it is scored on were computed.
        appropriate: Where the appropriate reactions come from.
        valid: Share of the frames of its clips that are valid.
        dropped: Full clips that were left out because a face was mostly unknown.
    """

    model: str
    variant: str
    official: dict[str, Value]
    corrected: dict[str, Value]
    seeds: tuple[int, ...]
    samples: int
    clips: int
    pretrained: bool
    backend: str
    appropriate: str
    valid: float = 1.0
    dropped: int = 0

    @property
    def lag_seconds(self) -> Value:
        """The synchrony metric in seconds."""
        return over_seeds({s: v / FPS for s, v in self.official["TLCC"].by_seed.items()})

    @property
    def marked_name(self) -> str:
        """Name with the marks a reader must not miss."""
        variant = f" ({self.variant})" if self.variant else ""
        marks = "" if self.pretrained else NOT_PRETRAINED
        marks += APPROXIMATED if self.approximated else ""
        return f"{self.model}{variant}{marks}"

    @property
    def approximated(self) -> bool:
        """Whether the features it is scored on come from a stand-in."""
        return any(name in self.backend for name in STAND_INS)


@dataclass(frozen=True)
class _Scored:
    """What one metrics file says."""

    model: str
    seed: int
    split: str
    space: str
    samples: int
    clips: int
    pretrained: bool
    variant: str
    backend: str
    appropriate: str
    valid: float
    dropped: int
    official: dict[str, float]
    corrected: dict[str, float]


def _read(path: Path) -> _Scored:
    with contract.open_file(path, "metrics") as file:
        attrs = file.attrs
        return _Scored(
            model=str(attrs["model"]),
            seed=int(attrs["seed"]),
            split=str(attrs["split"]),
            space=str(attrs["space"]),
            samples=int(attrs["samples"]),
            clips=int(attrs["clips"]),
            pretrained=bool(attrs["pretrained"]),
            variant=str(attrs.get("variant", "")),
            backend=str(attrs["backend"]),
            appropriate=str(attrs["appropriate_source"]),
            valid=float(attrs.get("valid", 1.0)),
            dropped=int(attrs.get("dropped", 0)),
            official={name: float(file["official"].attrs[name]) for name in METRICS},
            corrected={name: float(value) for name, value in file["corrected"].attrs.items()},
        )


def collect_rows(paths: Sequence[Path]) -> list[Row]:
    """Read metrics files and average each model over its seeds, in the order of the paths.

    Raises:
        StoreError: Files of different splits, spaces, samples or clips in one table.
    """
    scored = [_read(Path(path)) for path in paths]
    for name in ("split", "space", "samples", "clips"):
        found = {getattr(s, name) for s in scored}
        if len(found) > 1:
            raise StoreError(f"metrics files with different {name} in one table: {sorted(found)}")
    rows = []
    for model in dict.fromkeys(s.model for s in scored):
        runs = [s for s in scored if s.model == model]
        rows.append(
            Row(
                model=model,
                variant=runs[0].variant,
                official={n: over_seeds({r.seed: r.official[n] for r in runs}) for n in METRICS},
                corrected={
                    n: over_seeds({r.seed: r.corrected[n] for r in runs}) for n in runs[0].corrected
                },
                seeds=tuple(r.seed for r in runs),
                samples=runs[0].samples,
                clips=runs[0].clips,
                pretrained=all(r.pretrained for r in runs),
                backend=runs[0].backend,
                appropriate=runs[0].appropriate,
                valid=runs[0].valid,
                dropped=runs[0].dropped,
            )
        )
    return rows


def read_published() -> list[dict[str, str]]:
    """The published REACT 2024 figures (test split), as text per column."""
    source = resources.files("react24.report").joinpath("published.tsv")
    with source.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


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
    rows = collect_rows(paths)
    first = _read(Path(paths[0]))
    writers = (
        (tsv, format_tsv(rows, first.split, first.space, doubtful)),
        (md, format_md(rows, first.split, first.space, doubts)),
        (tex, format_tex(rows, first.split, first.space, doubts)),
    )
    for path, text in writers:
        with contract.atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    logger.info("table of %d rows: %s", len(rows), md)


def format_tsv(rows: Sequence[Row], split: str, space: str, doubtful: int = 0) -> str:
    """Tab-separated: ours (``source`` = react24), then the published figures."""
    corrected = list(rows[0].corrected)
    columns = ["source", "model", "variant", "split", "space", "clips", "samples", "seeds"]
    columns += ["pretrained", "backend", "appropriate"]
    compared = [comparison.name for comparison in COMPARISONS]
    for name in (*METRICS, "TLCC_seconds", *corrected, *compared):
        columns += [name, f"{name}_std"]
    columns += ["FRRea"]  # empty, see NO_FRREA
    columns += ["valid", "dropped", "notices"]
    ahead = _margins(rows)
    lines = ["\t".join(columns)]
    for row in rows:
        seeds = ",".join(map(str, row.seeds))
        cells = ["react24", row.model, row.variant, split, space]
        cells += [row.clips, row.samples, seeds, str(row.pretrained).lower(), row.backend]
        cells += ["official" if row.appropriate == "official" else "stand-in"]
        values = [row.official[n] for n in METRICS]
        values += [row.lag_seconds, *row.corrected.values()]
        cells += [cell for value in values for cell in _tsv_cells(value)]
        for comparison in COMPARISONS:
            margin = ahead.get(row.model, {}).get(comparison.name)
            cells += ["", ""] if margin is None else _tsv_cells(margin)
        cells += ["", f"{row.valid:.6g}", row.dropped, doubtful]
        lines.append("\t".join(map(str, cells)))
    for entry in read_published():
        cells = [
            "published",
            entry["model"],
            "",
            "test",
            "",
            "",
            "5",
            "3 seeds",
            "true",
            "",
            "official",
        ]
        for name in METRICS:
            cells += [entry.get(name) or "", ""]
        cells += [f"{float(entry['TLCC']) / FPS:.2f}"]
        cells += [""] * (len(columns) - len(cells))
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"


def _tsv_cells(value: Value) -> list[str]:
    """Mean and deviation; no deviation where there is one seed."""
    return [f"{value.mean:.9g}", f"{value.std:.9g}" if len(value.by_seed) > 1 else ""]


def _spread(value: Value, digits: int) -> str:
    """The deviation behind a mean; empty where there is one seed, which has none."""
    return f" ± {value.std:.{digits}f}" if len(value.by_seed) > 1 else ""


def _protocol(rows: Sequence[Row], split: str, space: str) -> str:
    row = rows[0]
    seeds = ", ".join(map(str, row.seeds))
    over = (
        f"mean ± standard deviation over seeds {seeds}" if len(row.seeds) > 1 else f"seed {seeds}"
    )
    return (
        f"Split {split}: N = {row.clips} directions, S = {row.samples} reactions each, {over}, "
        f"scored in {space} units. FRCorr and FRDist are "
        f"sums over the S samples, as the official code computes them (divide by S for a mean)."
    )


def _notes(rows: Sequence[Row]) -> list[str]:
    notes = []
    if not all(row.pretrained for row in rows):
        notes.append(
            f"{NOT_PRETRAINED} depends on features of networks with RANDOM weights "
            "(pretrained=false): the row shows that the pipeline runs, not how good the model is."
        )
    if rows[0].appropriate != "official":
        notes.append(f"Appropriate reactions are not the official ones. {rows[0].appropriate}.")
    stand_ins = sorted({row.backend for row in rows if row.approximated})
    if stand_ins:
        notes.append(
            f"{APPROXIMATED} emotion stream and coefficients come from the backend "
            f"{', '.join(stand_ins)}, an approximation of OpenGraphAU, EmoNet and FaceVerse: do "
            "not compare with published figures."
        )
    stuck = [r.model for r in rows if math.isclose(r.official["TLCC"].mean, 49.0)]
    if stuck:
        notes.append(
            "TLCC = 49.00 frames is the maximal lag and what the official code returns when a "
            f"channel is constant over the clip ({', '.join(stuck)}); the corrected columns leave "
            "constant channels out."
        )
    notes += _validity_notes(rows[0])
    notes.append(NO_FRREA)
    return notes


def _validity_notes(row: Row) -> list[str]:
    """On clips that are not there, and frames that hold no behaviour."""
    notes = []
    if row.dropped:
        pairs = row.dropped + row.clips // 2
        notes.append(
            f"{row.dropped} of {pairs} clips of this split are left out, in both directions: a "
            "face is unknown in too many of their frames (clips.min_valid)."
        )
    if row.valid < 1:
        # Rounded down, so that nobody reads 100 where it is less.
        share = math.floor(1000 * row.valid) / 10
        notes.append(
            f"The face is known in {share:.1f} % of the frames that are scored. Official numbers "
            "take what stands in the others for behaviour; the corrected ones leave it out."
        )
    return notes


DOUBTS = "What is doubtful about the recordings"

HEADER = ["model", *(f"{n} {ARROWS[n]}" for n in METRICS[:-1]), "TLCC ↓ (frames, s)", "FRRea ↓"]
"""Columns of the tables for people."""

NO_FRREA = (
    "FRRea compares rendered with real frames and is empty: the workflow renders no reactions. "
    "Where there are frames, react24 evaluate computes it (docs/metrics.md)."
)


def _cell(name: str, value: Value) -> str:
    digits = DECIMALS.get(name, 3)
    if math.isnan(value.mean):
        return "undefined"
    return f"{value.mean:.{digits}f}{_spread(value, digits)}"


def _official_cells(row: Row) -> list[str]:
    lag = row.official["TLCC"]
    cells = [row.marked_name, *(_cell(n, row.official[n]) for n in METRICS[:-1])]
    return [*cells, f"{_cell('TLCC', lag)} ({lag.mean / FPS:.2f} s)", "–"]


def _published_cells(entry: dict[str, str]) -> list[str]:
    cells = [entry["model"], *(entry.get(n) or "–" for n in METRICS[:-1])]
    return [*cells, f"{entry['TLCC']} ({float(entry['TLCC']) / FPS:.2f} s)", "–"]


def _markdown(header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join([" --- "] * len(header)) + "|"]
    return lines + ["| " + " | ".join(cells) + " |" for cells in body]


def format_md(rows: Sequence[Row], split: str, space: str, doubts: Sequence[str] = ()) -> str:
    """Markdown: official metrics, corrected variants, doubts, published figures, notes."""
    body = [_official_cells(row) for row in rows]
    names = list(rows[0].corrected)
    corrected = [
        [row.marked_name, *(_cell(name, row.corrected[name]) for name in names)] for row in rows
    ]
    published = [_published_cells(entry) for entry in read_published()]
    lines = [f"# Metrics, {split} split", "", _protocol(rows, split, space), ""]
    lines += ["## Official semantics", "", *_markdown(HEADER, body), ""]
    lines += [*(f"{note}\n" for note in _notes(rows))]
    lines += _margin_lines(rows)
    lines += ["## Corrected variants", "", "What each name means: docs/metrics.md.", ""]
    lines += [*_markdown(["model", *names], corrected), ""]
    if doubts:
        lines += [f"## {DOUBTS}", "", *(f"- {line}" for line in doubts), ""]
    lines += ["## Published REACT 2024 figures (other data and features, for orientation only)", ""]
    lines += ["Test split, 5 samples per clip, mean over 3 seeds, as published.", ""]
    lines += [*_markdown(HEADER, published), ""]
    return "\n".join(lines)


def _margins(rows: Sequence[Row]) -> dict[str, dict[str, Value]]:
    baselines = [row.model for row in rows if row.variant == BASELINE]
    return margins([(row.model, row.official) for row in rows], baselines)


def _margin_lines(rows: Sequence[Row]) -> list[str]:
    """How far each model is ahead of the naive baselines; none where there is none of either."""
    ahead = _margins(rows)
    names = {row.model: row.marked_name for row in rows}
    shown = [c for c in COMPARISONS if any(c.name in found for found in ahead.values())]
    if not shown:
        return []
    body = [
        [names[model], *(f"{found[c.name].mean:+.3f}{_spread(found[c.name], 3)}" for c in shown)]
        for model, found in ahead.items()
    ]
    lines = ["## Ahead of the naive baselines", ""]
    lines += ["Seed by seed; positive is better. Any useful model is ahead in all of them.", ""]
    return [*lines, *_markdown(["model", *(c.title for c in shown)], body), ""]


_TEX = {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "±": r"$\pm$", "†": r"$^\dagger$"}
_TEX |= {"‡": r"$^\ddagger$", "–": "--", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#"}
_TEX |= {"$": r"\$", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}"}
_TEX |= {"^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)


def _tabular(header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}", r"\toprule"]
    lines += [" & ".join(map(_tex, header)) + r" \\", r"\midrule"]
    lines += [" & ".join(map(_tex, cells)) + r" \\" for cells in body]
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def format_tex(rows: Sequence[Row], split: str, space: str, doubts: Sequence[str] = ()) -> str:
    """LaTeX: two ``tabular`` environments (``booktabs``), ours and the published figures."""
    body = [_official_cells(row) for row in rows]
    lines = [r"% Needs \usepackage{booktabs}.", "% " + _protocol(rows, split, space)]
    lines += [*_tabular(HEADER, body), ""]
    lines += [_tex(note) + r"\\" for note in _notes(rows)]
    if doubts:
        lines += [_tex(f"{DOUBTS}:") + r"\\", *(_tex(line) + r"\\" for line in doubts)]
    lines += ["", "% Published REACT 2024 figures: other data and features, for orientation only."]
    lines += _tabular(HEADER, [_published_cells(entry) for entry in read_published()])
    return "\n".join(lines) + "\n"
