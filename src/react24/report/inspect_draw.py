"""Drawing a contact sheet (`react24.report.inspect`) as a PNG.

Everything is placed in inches from the upper left corner, so that nothing overlaps whatever a
session holds. Colours are those of Okabe and Ito, which people of any colour vision tell apart.
"""

from __future__ import annotations

import logging
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from react24.conventions import FPS
from react24.files import contract
from react24.media.spans import find_spans
from react24.report.inspect import ContactSheet, Curves, RoleView, Shot, name_frames
from react24.rig import landmarks as lm
from react24.rig.model import load_rig
from react24.rig.pose import euler_to_matrix

logger = logging.getLogger(__name__)

ORANGE, SKY, GREEN, YELLOW, BLUE, RED = (
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00",
)  # fmt: skip
DOUBT = "#A63F00"
"""Of text; the red above is too light for letters."""
AXES = ((RED, "to the left side of the person"), (GREEN, "down"), (BLUE, "where the nose points"))

NOT_VALID: dict[str, Any] = {"facecolor": "0.9", "edgecolor": "0.55", "hatch": "////", "lw": 0}

WIDTH = 18.0
MARGIN = 0.3
WHOLE = 3.4
"""Widest that a whole picture may be, inches."""
CROP = 1.7
"""Side of a frame, inches."""
LINE = 0.17
"""Height of a line of text, inches."""
LETTERS = 225
"""Letters that fit into a line across the sheet."""
TOLD = 20
"""Notices that are shown."""
TIMELINE = 1.35
SOUND = 0.75
ROOM = 1.25
"""Side of the part of the picture that a frame shows, in longer sides of the face's box."""

BINS = 1500
"""Values of a curve that are drawn; longer ones show mean, least and largest per bin."""

STYLE: dict[Any, Any] = {
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "figure.dpi": 130,
    "hatch.linewidth": 0.5,
    # Names of people and files are shown as they are, not read as formulas.
    "text.parse_math": False,
}


@dataclass
class Page:
    """A figure that is filled from the top.

    Attributes:
        figure: The figure.
        height: Of the page, inches.
        y: How far down it is filled, inches.
    """

    figure: Figure
    height: float
    y: float = MARGIN

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes at a place in inches from the upper left corner."""
        left, bottom = x / WIDTH, 1 - (y + height) / self.height
        return self.figure.add_axes((left, bottom, width / WIDTH, height / self.height))

    def write(self, lines: list[str], **style: Any) -> None:
        """Lines of text across the page; the page is filled to below them."""
        for line in lines:
            self.text(MARGIN, self.y, line, **style)
            self.y += LINE * float(style.get("fontsize", STYLE["font.size"])) / STYLE["font.size"]

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Text whose upper left corner is at a place in inches."""
        self.figure.text(x / WIDTH, 1 - y / self.height, text, va="top", **style)


def draw_sheet(sheet: ContactSheet, output: str | Path) -> None:
    """Write a contact sheet as PNG."""
    with mpl.rc_context(STYLE):
        figure = lay_out(sheet)
        # Without the software version, the same sheet has the same bytes.
        with contract.atomic_path(output) as temporary:
            figure.savefig(temporary, metadata={"Software": None})
    logger.info("contact sheet: %s", output)


def lay_out(sheet: ContactSheet) -> Figure:
    """The sheet as a figure."""
    told, missing = _told(sheet), [line for text in sheet.missing for line in wrap(f"- {text}")]
    texts = 0.45 + LINE * (len(told) + len(missing) + 1)
    blocks = sum(_block_height(person) for person in sheet.people)
    height = 2 * MARGIN + texts + blocks
    page = Page(Figure(figsize=(WIDTH, height)), height)
    page.write([f"Session {sheet.session}"], fontsize=15, fontweight="bold")
    page.y += 0.1
    page.write(told, color=DOUBT if sheet.notices else "0.25")
    page.write(missing, color="0.25")
    page.y = MARGIN + texts
    for person in sheet.people:
        begin = page.y
        _draw_person(page, person)
        page.y = begin + _block_height(person)
    return page.figure


def _told(sheet: ContactSheet) -> list[str]:
    """Lines on what is doubtful."""
    lines = [f"! {text}" for text in sheet.notices[:TOLD]]
    if len(sheet.notices) > TOLD:
        lines.append(f"! and {len(sheet.notices) - TOLD} more, see react24 check")
    lines = lines or ["No doubts were noted on the way here."]
    return [part for line in lines for part in wrap(line)]


def wrap(text: str, letters: int = LETTERS) -> list[str]:
    """Lines of at most so many letters; the second and later ones are indented."""
    return textwrap.wrap(text, letters, subsequent_indent="    ") or [""]


def _facts(person: RoleView) -> list[str]:
    return [part for fact in person.facts for part in wrap(fact)]


def _block_height(person: RoleView) -> float:
    head = 0.45 + LINE * len(_facts(person))
    frames = CROP + 8 * LINE
    return head + frames + TIMELINE + SOUND + 1.1


def _draw_person(page: Page, person: RoleView) -> None:
    page.y += 0.15
    page.write([f"Role {person.role}: {person.subject}"], fontsize=11.5, fontweight="bold")
    page.y += 0.03
    page.write(_facts(person), color="0.25")
    page.y += 0.05
    top = page.y + 2 * LINE
    _draw_whole(page, person, top)
    titles = name_frames(person.shots)
    for number, (shot, title) in enumerate(zip(person.shots, titles, strict=True)):
        x = MARGIN + WHOLE + 0.15 + number * (CROP + 0.06)
        axis = page.axes(x, top, CROP, CROP)
        _draw_shot(axis, shot, title)
        words = [_describe_pose(shot.rotation), *shot.readings] if shot.found else ["no face"]
        for row, words_of_row in enumerate(word for word in words if word):
            page.text(x, top + CROP + 0.05 + row * LINE, words_of_row, fontsize=8)
    below = top + CROP + 6 * LINE
    _draw_neutral(page, person, below)
    _draw_curves(page, person, below)


def _draw_whole(page: Page, person: RoleView, top: float) -> None:
    """The first frame with a face, whole, with what the colours mean below."""
    shot = next((s for s in person.shots if s.found), person.shots[0])
    height, width = shot.picture.shape[:2]
    scale = min(WHOLE / width, CROP / height)
    axis = page.axes(MARGIN, top, width * scale, height * scale)
    _show(axis, shot.picture)
    axis.set_title(f"whole picture at {shot.tick / FPS:.1f} s", fontsize=8.5, loc="left", pad=3)
    _draw_box(axis, shot)
    y = top + CROP + 0.05
    page.text(MARGIN, y, "axes of the head:", fontsize=8)
    for row, (colour, meaning) in enumerate(AXES):
        page.text(MARGIN + 1.15, y + row * LINE * 0.95, f"— {meaning}", fontsize=8, color=colour)


def _show(axis: Axes, picture: np.ndarray) -> None:
    height, width = picture.shape[:2]
    # Landmarks count from the picture's corner, not from the middle of its first pixel.
    axis.imshow(picture, extent=(0, width, height, 0), aspect="auto")
    axis.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))


def _draw_box(axis: Axes, shot: Shot) -> None:
    x0, y0, x1, y1 = shot.box
    line = "-" if shot.found else ":"
    axis.plot([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], line, color=YELLOW, lw=1.2)


def _draw_shot(axis: Axes, shot: Shot, title: str) -> None:
    _show(axis, shot.picture)
    axis.set_title(title, fontsize=8.5, loc="left", pad=3, color="black" if shot.valid else DOUBT)
    _draw_box(axis, shot)
    if shot.found:
        for row in outlines():
            axis.plot(*shot.points[row].T, color=SKY, lw=0.6)
        if shot.rotation is not None:
            _draw_axes(axis, shot, shot.rotation)
    centre = (shot.box[:2] + shot.box[2:]) / 2
    side = ROOM * float(max(shot.box[2:] - shot.box[:2]))
    height, width = shot.picture.shape[:2]
    if not shot.found:  # the box is only filled in: show where the person should be
        centre, side = np.array([width / 2, height / 2]), float(max(width, height))
    axis.set(
        xlim=(centre[0] - side / 2, centre[0] + side / 2),
        ylim=(centre[1] + side / 2, centre[1] - side / 2),
        facecolor="0.85",
    )
    for spine in axis.spines.values():
        spine.set(visible=True, color="0.5" if shot.valid else RED, lw=0.6 if shot.valid else 2.5)


def _draw_axes(axis: Axes, shot: Shot, rotation: np.ndarray) -> None:
    start = shot.points[1]  # the tip of the nose
    length = 0.32 * float(max(shot.box[2:] - shot.box[:2]))
    matrix = euler_to_matrix(rotation)
    directions = (matrix[:2, 0], matrix[:2, 1], -matrix[:2, 2])
    for (colour, _), direction in zip(AXES, directions, strict=True):
        end = start + length * direction
        axis.plot(*zip(start, end, strict=True), color="white", lw=2.6, solid_capstyle="round")
        axis.plot(*zip(start, end, strict=True), color=colour, lw=1.5, solid_capstyle="round")


def _describe_pose(rotation: np.ndarray | None) -> str:
    """Where the head is turned, in degrees, as the picture shows it."""
    if rotation is None:
        return ""
    x, y, z = np.degrees(rotation)
    pairs = ((x, "↓", "↑"), (y, "←", "→"), (z, "↻", "↺"))
    return "head " + "  ".join(
        f"{plus if value >= 0 else minus}{abs(value):.0f}°" for value, plus, minus in pairs
    )


def outlines() -> list[list[int]]:
    """Rows of points along eyes, brows, lips, irises and the oval of the face, both sides."""
    mirror = load_rig().mirror
    outer, inner = lm.EYE_CORNERS
    eye = [outer, *lm.UPPER_LID, inner, *reversed(lm.LOWER_LID), outer]
    brow = [*lm.BROW_UPPER, *reversed(lm.BROW_LOWER), lm.BROW_UPPER[0]]
    lips = [list(lip[edge]) for lip in (lm.UPPER_LIP, lm.LOWER_LIP) for edge in (0, -1)]
    oval = [10, 109, 67, 103, 54, 21, 162, 127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152]
    iris = [*lm.IRIS[1:], lm.IRIS[1]]
    rows = [eye, brow, *lips, oval, iris]
    return rows + [[int(mirror[point]) for point in row] for row in rows]


def _draw_neutral(page: Page, person: RoleView, top: float) -> None:
    side = TIMELINE + SOUND + 0.3
    axis = page.axes(MARGIN, top + 0.1, WHOLE - 0.5, side)
    axis.set_axis_off()
    axis.set_title("face at rest, measured against", fontsize=8.5, loc="left", pad=3)
    if person.neutral is None:
        axis.text(0.0, 0.9, "not stored in the features", color="0.4", va="top")
        return
    points = person.neutral[:, :2]
    axis.triplot(points[:, 0], points[:, 1], load_rig().triangles, color="0.75", lw=0.35)
    for row in outlines():
        axis.plot(*points[row].T, color=BLUE, lw=1.1)
    axis.set_aspect("equal", anchor="NW")
    axis.invert_yaxis()


def _draw_curves(page: Page, person: RoleView, top: float) -> None:
    x, width = MARGIN + WHOLE + 0.45, WIDTH - WHOLE - 2 * MARGIN - 0.45
    curves = person.curves
    seconds = len(curves.valid) / FPS
    affect = page.axes(x, top + 0.3, width, TIMELINE)
    level = page.axes(x, top + 0.3 + TIMELINE + 0.12, width, SOUND)
    for axis in (affect, level):
        axis.set_xlim(0, seconds)
        for gap in find_spans(~curves.valid):
            axis.axvspan(gap.start / FPS, gap.stop / FPS, **NOT_VALID)
    _draw_affect(affect, curves)
    for number, shot in enumerate(person.shots, start=1):
        affect.annotate(
            str(number),
            ((shot.tick + 0.5) / FPS, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=7.5,
        )
        affect.axvline((shot.tick + 0.5) / FPS, color="0.4", lw=0.5, ls=":")
    _draw_level(level, curves, seconds)
    level.set_xlabel("seconds", labelpad=1)


def _draw_affect(axis: Axes, curves: Curves) -> None:
    axis.set(ylim=(-1.05, 1.05), yticks=(-1, 0, 1), xticklabels=[])
    axis.axhline(0, color="0.5", lw=0.5)
    if not curves.affect:
        axis.text(0.01, 0.9, "no valence and arousal yet", transform=axis.transAxes, va="top")
        return
    styles = {"valence": (BLUE, "-"), "arousal": (ORANGE, "--")}
    for name, values in curves.affect.items():
        colour, line = styles[name]
        time, least, mean, largest = summarise(values)
        axis.fill_between(time, least, largest, color=colour, alpha=0.25, lw=0)
        axis.plot(time, mean, line, color=colour, lw=1.2, label=name)
    if not curves.valid.all():
        axis.fill_between([], [], [], label="not valid", **NOT_VALID)
    axis.legend(
        loc="lower right", bbox_to_anchor=(1, 1.06), ncols=3, frameon=False, borderaxespad=0
    )


def summarise(
    values: np.ndarray, bins: int = BINS
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A curve in at most ``bins`` values: seconds, least, mean, largest, each float (n,)."""
    edges = np.linspace(0, len(values), min(bins, len(values)) + 1).round().astype(int)
    starts = edges[:-1]
    sizes = np.diff(edges)
    mean = np.add.reduceat(values.astype(np.float64), starts) / sizes
    least, largest = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    return (starts + sizes / 2) / FPS, least, mean, largest


def _draw_level(axis: Axes, curves: Curves, seconds: float) -> None:
    axis.set(ylim=(-80, 0), yticks=(-80, -40, 0))
    axis.set_ylabel("sound\ndB", fontsize=8)
    if curves.level is None:
        axis.text(0.01, 0.9, "no sound", transform=axis.transAxes, va="top")
        return
    time = (np.arange(len(curves.level)) + 0.5) * seconds / len(curves.level)
    axis.fill_between(time, -80, np.maximum(curves.level, -80), color=GREEN, alpha=0.8, lw=0)
