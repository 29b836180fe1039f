"""What a large run costs before and beside its work: jobs, submissions, and time to plan it.

    python benchmarks/dag_build.py                    # 83, 120 and 500 sessions
    python benchmarks/dag_build.py --sessions 120     # another number

Makes a project in a temporary folder (all streams, the four models of the demo, 3 seeds; half a
minute of black for each video) and plans it with ``snakemake -n --quiet``, which prints the table
of jobs and describes none (without ``--quiet`` every job is described). CPU seconds are user and
system time of the process and what it starts; other work on the machine lengthens them less than
it does the wall time. The first planning looks at the headers of all recordings, the next ones
know them. Beside them stands what Snakemake alone takes for as many jobs of rules that have
nothing but inputs, an output and a script.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from helpers.large_project import make_large_project  # noqa: E402
from helpers.small_project import clean_environment  # noqa: E402
from helpers.submissions import list_submissions  # noqa: E402

PLAIN = """
SESSIONS = [f"s{{number:03d}}" for number in range({sessions})]
STREAMS = [f"stream{{number}}" for number in range(7)]

rule all:
    input: expand("clips/{{stream}}", stream=STREAMS)

rule probe:
    output: "media/{{session}}"
    script: "empty.py"

rule track:
    input: "media/{{session}}"
    output: "faces/{{session}}"
    script: "empty.py"

rule extract:
    input: "media/{{session}}", "faces/{{session}}"
    output: "features/{{stream}}/{{session}}"
    script: "empty.py"

rule clips:
    input:
        lambda wc: [f"features/{{wc.stream}}/{{s}}" for s in SESSIONS],
        lambda wc: [f"faces/{{s}}" for s in SESSIONS],
    output: "clips/{{stream}}"
    script: "empty.py"
"""


def plan(folder: Path, *arguments: str) -> tuple[int, float]:
    """Plan what lies in a folder; jobs and CPU seconds."""
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "2", "--quiet"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env=clean_environment(),
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = sum(getattr(after, name) - getattr(before, name) for name in ("ru_utime", "ru_stime"))
    total = re.search(r"^total +(\d+)$", done.stdout, re.MULTILINE)
    return int(total[1]) if total else 0, used


def measure(sessions: int) -> list[str]:
    """A row of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        folder.mkdir()
        make_large_project(folder, sessions)
        jobs, first = plan(folder)
        again = plan(folder)[1]
        submissions = len(list_submissions(folder))
        plain = Path(name) / "plain"
        plain.mkdir()
        (plain / "Snakefile").write_text(PLAIN.format(sessions=sessions))
        (plain / "empty.py").touch()
        floor = plan(plain, "--scheduler", "greedy")[1]
    counts = [str(number) for number in (sessions, jobs, submissions)]
    return [*counts, f"{first:.1f}", f"{again:.1f}", f"{floor:.1f} ({9 * sessions + 8} jobs)"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, nargs="+", default=[83, 120, 500])
    header = ["sessions", "jobs", "submissions", "CPU s, first", "CPU s, again", "Snakemake alone"]
    print("| " + " | ".join(header) + " |")
    print("| ---: " * len(header) + "|")
    for sessions in parser.parse_args().sessions:
        print("| " + " | ".join(measure(sessions)) + " |", flush=True)


if __name__ == "__main__":
    main()
