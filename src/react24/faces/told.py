"""What a user should know of the faces in a video, in a few sentences with their seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from react24.conventions import FPS
from react24.faces.whose import STILL_FRAMES, SeenPerson
from react24.files.notices import Notice, about_file
from react24.media.spans import find_spans

LATE = 25
"""Ticks (1 s) after which a first sight is late, and that a missing face must be missing."""

TOGETHER = 0.5
"""Share of the video in which two people are in the picture, from which on it is theirs both."""

CLOSE = 0.5
"""Weight of the second person in weights of the first, from which on the choice is doubtful."""

FAR = 0.7
"""Way between two ticks in a row that is a jump, in widths of the face."""

SMALL = 40
"""Width of a face, pixels, below which its landmarks are doubtful.

The landmark model sees a face in 192 x 192 pixels that are one and a half times as wide as it; of
a face of this size these are blown up more than three times."""

NAMED = 3
"""Instants that are named one by one."""


Told = tuple[str, str, tuple[float, ...]]
"""Kind, sentence, and from and to second or less."""


@dataclass(frozen=True)
class Seen:
    """What was found out about the faces of one video.

    Attributes:
        persons: The one with the most time times size first.
        chosen: Index of the one who is followed.
        found: bool (T,), that person's face was found.
        box: float (T, 4), around it; any values where not found.
        cuts: Ticks at which the whole picture changes at once.
        passes: Ticks at which another face takes the place of this person's in one step.
        turned: Degrees counter-clockwise that would make a face upright -> bool (T,), when it is
            in the picture.
        outside: Bool (T,), too much of the face is outside the picture; None for nowhere.
        frozen: Likewise, the picture of it is repeated.
    """

    persons: list[SeenPerson]
    chosen: int
    found: np.ndarray
    box: np.ndarray
    cuts: list[int]
    passes: list[int]
    turned: Mapping[int, np.ndarray] = field(default_factory=dict)
    outside: np.ndarray | None = None
    frozen: np.ndarray | None = None

    def upside_down(self) -> np.ndarray:
        """Bool (T,): a face is in the picture that is upside down."""
        return self.turned.get(180, np.zeros(len(self.found), bool))

    def others(self, *, still: bool = False) -> np.ndarray:
        """Bool (T,): somebody else is in the picture, or (``still``) a picture of somebody."""
        seen = np.zeros(len(self.found), bool)
        for index, person in enumerate(self.persons):
            if index != self.chosen and person.still == still:
                seen |= person.present(len(seen))
        return seen


def tell_faces(seen: Seen, *, role: str, video: str, side: str = "") -> list[Notice]:
    """Notices about one video file; ``side`` is what the sheet says in ``face_a`` or ``face_b``."""
    told = [
        *_tell_second(seen, role, side),
        *_tell_missing(seen),
        *_tell_spoilt(seen),
        *_tell_instants(seen),
    ]
    return [about_file(kind, video, role, text, *when) for kind, text, when in told]


def _tell_second(seen: Seen, role: str, side: str) -> Iterator[Told]:
    others = seen.others()
    yield from _tell_pictures(seen)
    if not others.any():
        if side:
            yield "face.alone", f"face_{role} says {side}, but only one person is seen", ()
        return
    beside, instead = others & seen.found, others & ~seen.found
    if beside.mean() >= TOGETHER:
        if not side:  # a choice that was made and could be followed is no doubt
            yield "face.two", _two_people(seen, role, beside), _whole(beside)
    elif beside.any():
        text = f"another face is in the picture beside this person's {_stretches(beside)}"
        yield "face.other", text, _longest(beside)
    if instead.any():
        text = (
            "another face (or this one, much changed) is in the picture while this person's is not "
            f"{_stretches(instead)}; these times are not valid"
        )
        yield "face.other", text, _longest(instead)
    yield from _tell_doubt(seen, side)


def _tell_pictures(seen: Seen) -> Iterator[Told]:
    pictures = seen.others(still=True)
    if seen.persons and seen.persons[seen.chosen].still and len(seen.found) >= STILL_FRAMES:
        yield "face.still", "this person's face never moves, as if it were a photograph", ()
    elif pictures.any():
        text = (
            f"a face that never moves (a portrait?) is in the picture {_stretches(pictures)}; "
            "it is not followed"
        )
        yield "face.still", text, _longest(pictures)


def _two_people(seen: Seen, role: str, beside: np.ndarray) -> str:
    person = seen.persons[seen.chosen]
    second = max(
        (p for i, p in enumerate(seen.persons) if i != seen.chosen and not p.still),
        key=lambda p: p.weight,
    )
    place = "left" if person.x <= second.x else "right"
    other = "right" if place == "left" else "left"
    return (
        f"two people or more are in the picture in {beside.mean():.0%} of the time; the one on the "
        f"{place} is followed, who fills more of it; if the other one is meant say face_{role}: "
        f"{other} in the sample sheet, or crop_{role}: x,y,width,height to show one of them only"
    )


def _tell_doubt(seen: Seen, side: str) -> Iterator[Told]:
    if side or len(seen.persons) < 2:
        return
    first, second = seen.persons[:2]
    if second.still and not first.still:
        return
    together = (first.present(len(seen.found)) & second.present(len(seen.found))).mean()
    if second.weight >= CLOSE * first.weight and together < TOGETHER:
        text = (
            f"whose face is meant is doubtful: one person is seen for {_s(first.frames)} s (face "
            f"{first.width:.0f} pixels wide), another for {_s(second.frames)} s "
            f"({second.width:.0f} pixels); the first is followed"
        )
        yield "face.doubt", text, ()


def _tell_missing(seen: Seen) -> Iterator[Told]:
    gaps = find_spans(~seen.found)
    if gaps and gaps[0].start == 0 and gaps[0].length > LATE:
        text = f"this person's face is first seen at second {_s(gaps[0].stop)}"
        yield "face.late", text, (0.0, gaps[0].stop / FPS)
    long = np.zeros(len(seen.found), bool)
    for gap in gaps:
        if gap.start > 0 and gap.length >= LATE:
            long[gap.start : gap.stop] = True
    if long.any():
        yield "face.missing", f"this person's face is missing {_stretches(long)}", _longest(long)


def _tell_spoilt(seen: Seen) -> Iterator[Told]:
    """Pictures of the face that are of little use."""
    if seen.persons and seen.persons[seen.chosen].width < SMALL:
        text = (
            f"the face is {seen.persons[seen.chosen].width:.0f} pixels wide; below {SMALL} its "
            "landmarks are doubtful: use the larger recording, if there is one"
        )
        yield "face.small", text, ()
    upside_down = seen.upside_down()
    if upside_down.any():
        text = f"the picture is upside down {_stretches(upside_down)}; these times are not valid"
        yield "face.turned", text, _longest(upside_down)
    for degrees in (90, 270):
        if degrees in seen.turned:
            text = (
                f"the face lies on its side {_stretches(seen.turned[degrees])}; if it was the "
                "camera that was turned, the angles of the head are wrong there"
            )
            yield "face.turned", text, _longest(seen.turned[degrees])
    if seen.outside is not None and seen.outside.any():
        text = (
            f"more than a third of this person's face is outside the picture "
            f"{_stretches(seen.outside)}; these times are not valid"
        )
        yield "face.outside", text, _longest(seen.outside)
    if seen.frozen is not None and seen.frozen.any():
        text = (
            f"the picture of this person's face is frozen {_stretches(seen.frozen)}; these times "
            "are not valid"
        )
        yield "face.frozen", text, _longest(seen.frozen)


def _tell_instants(seen: Seen) -> Iterator[Told]:
    if seen.passes:
        text = f"another face takes the place of this person's at once, {_instants(seen.passes)}"
        yield "face.swap", text, (seen.passes[0] / FPS,)
    if seen.cuts:
        text = (
            f"the picture as a whole changes at once (a cut, or the light), {_instants(seen.cuts)}"
        )
        yield "face.cut", text, (seen.cuts[0] / FPS,)
    jumps = [tick for tick in _jumps(seen) if tick not in seen.cuts]
    if jumps:
        text = f"this person's face jumps by most of its width, {_instants(jumps)}"
        yield "face.jump", text, (jumps[0] / FPS,)


def _jumps(seen: Seen) -> list[int]:
    """Ticks at which the face is far from where it was a tick before."""
    centre = (seen.box[:, :2] + seen.box[:, 2:]) / 2
    way = np.hypot(*np.diff(centre, axis=0).T)
    far = way > FAR * (seen.box[:-1, 2] - seen.box[:-1, 0])
    return [int(t) + 1 for t in np.flatnonzero(far & seen.found[1:] & seen.found[:-1])]


def _s(ticks: int) -> str:
    return f"{ticks / FPS:.2f}"


def _longest(mask: np.ndarray) -> tuple[float, float]:
    span = max(find_spans(mask), key=lambda span: span.length)
    return span.start / FPS, span.stop / FPS


def _whole(mask: np.ndarray) -> tuple[float, float]:
    spans = find_spans(mask)
    return spans[0].start / FPS, spans[-1].stop / FPS


def _stretches(mask: np.ndarray) -> str:
    """Such as ``for 3.00 of 12.00 s, from second 4.00 to 7.00``."""
    spans = find_spans(mask)
    start, stop = _longest(mask)
    where = f"from second {start:.2f} to {stop:.2f}"
    if len(spans) > 1:
        where = f"in {len(spans)} stretches, the longest {where}"
    return f"for {_s(int(mask.sum()))} of {_s(len(mask))} s, {where}"


def _instants(ticks: list[int]) -> str:
    """Such as ``5 times, at second 1.00, 2.00, 3.00 ...``."""
    times = ", ".join(_s(tick) for tick in ticks[:NAMED])
    more = " ..." if len(ticks) > NAMED else ""
    return f"{len(ticks)} time{'s' if len(ticks) > 1 else ''}, at second {times}{more}"
