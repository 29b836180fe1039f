"""The profile for Slurm names rules that there are, and all that use a GPU."""

import re
from pathlib import Path

import yaml

from react24 import streams

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "profiles/slurm/config.yaml").read_text()


def commented(name):
    """A block of the profile that is commented out."""
    block = re.search(rf"^# {name}:\n(?:#  .*\n)+", TEXT, re.MULTILINE)[0]
    return yaml.safe_load(re.sub(r"^# ", "", block, flags=re.MULTILINE))[name]


def rules_with_a_gpu():
    text = (ROOT / "workflow/rules/train.smk").read_text()
    found = {"train_stage", *re.findall(r"^use rule train_stage as (\w+) with", text, re.MULTILINE)}
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        for rule, body in re.findall(
            r"^rule (\w+):\n(.*?)(?=^\S|\Z)", path.read_text(), re.DOTALL | re.MULTILINE
        ):
            if "gpu=1" in body:
                found.add(rule)
    for name, stream in streams.STREAMS.items():
        if any(backend.gpu for backend in stream.backends.values()):
            found.add(f"extract_{name}")
    return found


def test_every_rule_with_a_gpu_has_a_line():
    sets = commented("set-resources")
    assert set(sets) == rules_with_a_gpu()
    assert {line["slurm_partition"] for line in sets.values()} == {"gpu"}


def test_several_gpus_are_asked_for_on_one_node():
    several = [line for line in commented("set-resources").values() if "gpu" in line]
    assert several == [{"slurm_partition": "gpu", "gpu": 4, "nodes": 1, "cpus_per_gpu": 4}]


def test_a_slurm_that_does_not_answer_is_asked_for_an_hour():
    profile = yaml.safe_load(TEXT)
    seconds = profile["slurm-status-attempts"] / profile["max-status-checks-per-second"]
    assert seconds == 3600


def test_the_head_as_a_job_uses_the_profile():
    script = (ROOT / "profiles/slurm/head.sbatch").read_text()
    assert 'exec snakemake --workflow-profile profiles/slurm "$@"' in script
    partition = yaml.safe_load(TEXT)["default-resources"]["slurm_partition"]
    assert f"#SBATCH --partition={partition}\n" in script
