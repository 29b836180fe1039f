"""A workflow of five rules and a second per run, for what holds of any rule: see `SNAKEFILE`."""

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from helpers.forked import run_forked

ROOT = Path(__file__).resolve().parents[2]

SNAKEFILE = """
from react24.workflow.planned import Planned
from react24.workflow.recipes import Currency

CURRENT = Currency(workflow)
PLANNED = Planned(CURRENT, workflow)
SPLITS = config["splits"]
COMPARED = "results/compared.json"


rule all:
    default_target: True
    input:
        expand("results/tables/{split}.tsv", split=SPLITS),


rule read:
    input:
        unpack(lambda wc: {"raw": f"{config['folder']}/{wc.name}.bin"}),
        current=CURRENT(),
    output:
        out="results/read/{name}.h5",
    log:
        "logs/read/{name}.log",
    benchmark:
        "benchmarks_out/read/{name}.tsv"
    params:
        code=config["code"]["read"],
        gain=lambda wc: config["gain"],
        where="anywhere",
    script:
        "make.py"


# As results/repeated.json: of all files, in front of everything, read by none.
rule compare:
    input:
        current=CURRENT(),
        files=[f"results/read/{name}.h5" for names in SPLITS.values() for name in names],
    output:
        out=COMPARED,
    log:
        "logs/compare.log",
    benchmark:
        "benchmarks_out/compare.tsv"
    params:
        code=config["code"]["compare"],
    script:
        "make.py"


rule join:
    input:
        current=CURRENT(COMPARED),
        files=lambda wc: [f"results/read/{name}.h5" for name in SPLITS[wc.split]],
    output:
        out="results/join/{split}.h5",
    log:
        "logs/join/{split}.log",
    benchmark:
        "benchmarks_out/join/{split}.tsv"
    params:
        code=config["code"]["join"],
    script:
        "make.py"


rule tabulate:
    input:
        current=CURRENT(COMPARED),
        joined="results/join/{split}.h5",
    output:
        out="results/tables/{split}.tsv",
        md="results/tables/{split}.md",
    log:
        "logs/tabulate/{split}.log",
    benchmark:
        "benchmarks_out/tabulate/{split}.tsv"
    params:
        code=config["code"]["tabulate"],
    script:
        "make.py"
"""

SCRIPT = """
from pathlib import Path

from react24.files import contract
from react24.workflow.job import start_job

start_job(snakemake)
for path in map(Path, snakemake.output):
    if path.suffix == ".h5":
        with contract.create(path, schema="truth", created_by=snakemake.rule):
            pass
    else:
        path.write_text("made")
if "fail" in snakemake.config and snakemake.rule == snakemake.config["fail"]:
    raise ValueError("told to fail")
"""

CONFIG = {
    "splits": {"one": ["a", "b"], "two": ["c"]},
    "code": {"read": "r1", "compare": "c1", "join": "j1", "tabulate": "t1"},
    "gain": 1.5,
    "folder": "raw",
}


@dataclass(frozen=True)
class TinyWorkflow:
    """A folder with the workflow; tests change ``config.json``."""

    folder: Path

    def configure(self, **changed):
        """Write the configuration anew, with other values for some keys."""
        config = CONFIG | {k: v for k, v in changed.items() if k not in CONFIG["code"]}
        codes = {k: v for k, v in changed.items() if k in CONFIG["code"]}
        config = config | {"code": CONFIG["code"] | codes}
        (self.folder / "config.json").write_text(json.dumps(config))

    def snakemake(self, *arguments, check=True, profile=("mtime", "software-env")):
        """Run Snakemake; returns what it printed."""
        triggers = ["--rerun-triggers", *profile] if profile else []
        command = ["--cores", "1", "--configfile", "config.json", *triggers, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        status, text = run_forked(command, self.folder, environment)
        if check and status:
            raise AssertionError(text[-6000:])
        return text

    def plan(self, *arguments, **options):
        """Rule -> number of jobs of a dry run."""
        return counts(self.snakemake("-n", *arguments, **options))

    def copy(self, folder, keep_times=True):
        """A copy of all, with or without times."""
        copy = shutil.copy2 if keep_times else shutil.copyfile
        shutil.copytree(self.folder, folder, symlinks=True, copy_function=copy)
        return TinyWorkflow(folder)


def counts(text):
    """Rule -> number of jobs, of what a dry run printed; without ``all`` and the total."""
    table = re.search(r"^job +count\n-+ +-+\n(.*?)\n\n", text, re.DOTALL | re.MULTILINE)
    if not table:
        assert "Nothing to be done" in text, text
        return {}
    rows = (line.split() for line in table[1].splitlines())
    return {rule: int(count) for rule, count in rows if rule not in ("total", "all")}


def make_tiny(folder):
    """The workflow, not run yet."""
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "make.py").write_text(SCRIPT)
    (folder / "raw").mkdir()
    for name in "abc":
        (folder / f"raw/{name}.bin").write_bytes(b"raw")
    tiny = TinyWorkflow(folder)
    tiny.configure()
    return tiny
