"""All cases, and the checkout that each needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from official.measure import Case


def choose(
    names: Sequence[str] | None, baseline: Path | None, learning2listen: Path | None
) -> list[tuple[Case, Path]]:
    """The cases of the given names (all where None) whose checkout is there."""
    pairs: list[tuple[Case, Path]] = []
    if baseline is not None:
        from official import belfusion, regnn, transvae

        cases = (*belfusion.CASES, *regnn.CASES, *transvae.CASES)
        pairs += [(case, baseline) for case in cases]
    if learning2listen is not None:
        from official import learning2listen as l2l

        pairs += [(case, learning2listen) for case in l2l.CASES]
    if not pairs:
        raise SystemExit("give --baseline or --learning2listen, see --help")
    known = [case.name for case, _ in pairs]
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise SystemExit(f"no case {', '.join(unknown)}; there are {', '.join(known)}")
    return [(case, path) for case, path in pairs if names is None or case.name in names]
