"""Time and memory per rule of the last run, from Snakemake's own measurements.

    python benchmarks/where_time_goes.py [benchmarks_out]

Prints a Markdown table: jobs, wall seconds in all, the longest job, CPU seconds, peak memory.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path


def number(text: str) -> float:
    """A cell as a number; Snakemake writes NA for jobs that end before they are measured."""
    return float("nan") if text in ("NA", "-", "") else float(text)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "benchmarks_out")
    rules = defaultdict(list)
    for path in sorted(folder.rglob("*.tsv")):
        rule = path.relative_to(folder).parts[0]
        with path.open() as file:
            rules[rule] += list(csv.DictReader(file, delimiter="\t"))
    if not rules:
        sys.exit(f"{folder}: no measurements; run the workflow first")
    print("| rule | jobs | wall s, all | wall s, longest | CPU s | peak memory MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    totals = [0.0, 0.0, 0.0, 0]
    order = sorted(rules, key=lambda rule: -sum(number(job["s"]) for job in rules[rule]))
    for rule in order:
        wall = [number(job["s"]) for job in rules[rule]]
        cpu = sum(c for c in (number(job["cpu_time"]) for job in rules[rule]) if c == c)
        memory = max((m for m in (number(j["max_rss"]) for j in rules[rule]) if m == m), default=0)
        cells = [f"{sum(wall):.1f}", f"{max(wall):.1f}", f"{cpu:.1f}", f"{memory:.0f}"]
        print(f"| {rule} | {len(wall)} | {' | '.join(cells)} |")
        totals = [
            totals[0] + sum(wall),
            totals[1] + cpu,
            max(totals[2], memory),
            totals[3] + len(wall),
        ]
    print(f"| all | {totals[3]} | {totals[0]:.1f} | | {totals[1]:.1f} | {totals[2]:.0f} |")


if __name__ == "__main__":
    main()
