# Settings, sessions and the names of files, shared by all rules. Logic that can be tested lives in
# src/react24; here it is only asked.

import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The library of this checkout, here and in every job. Where the rules were fetched without it (a
# module by github(...), Kubernetes), react24 has to be installed.
SRC = os.path.join(CHECKOUT, "src")
if os.path.isdir(SRC) and SRC not in sys.path:
    sys.path.insert(0, SRC)
elif not os.path.isdir(SRC) and find_spec("react24") is None:
    raise WorkflowError(
        f"{CHECKOUT}: there is no folder src beside the Snakefile, and react24 is not installed "
        "where snakemake is; install the same version there (docs/use_as_a_module.md)"
    )

from react24.errors import InputError
from react24.project.config import read_config
from react24.project.load import load_project
from react24.workflow.codedigest import code_digest, keep_sources
from react24.workflow.container import find_image
from react24.workflow.jobs import Jobs, per_attempt
from react24.workflow.paths import keep_jobs_from_fetching, share_with_jobs
from react24.workflow.recipes import Currency

if os.path.isdir(SRC):
    share_with_jobs(SRC)
keep_jobs_from_fetching()

# Jobs evaluate this file again; what the main process has checked need not be checked in each.
try:
    # Snakemake's own reader lets through what ours refuses.
    if workflow.is_main_process:
        for path in CONFIG_FILES:
            read_config(path)
    PROJECT = load_project(
        config,
        check=workflow.is_main_process,
        source=", ".join(map(os.path.relpath, CONFIG_FILES))
        or f"config of module {__name__}",
        start=None if CHECKOUT == os.getcwd() else Path(CHECKOUT),
        kept=Path(".snakemake/react24/project.json"),
    )
except InputError as error:
    raise WorkflowError(str(error)) from None

# With --sdm apptainer all rules run in one image (docs/container.md); without it none is sought.
if "apptainer" in map(str, workflow.deployment_settings.deployment_method):
    try:
        IMAGE = find_image(os.environ, [os.getcwd(), CHECKOUT])
    except InputError as error:
        raise WorkflowError(str(error)) from None

    container: IMAGE


keep_sources(Path(".snakemake/react24/sources.json"), write=workflow.is_main_process)
# What each rule reads, and the code behind it.
JOBS = Jobs(PROJECT, scripts=Path(CHECKOUT) / "workflow/scripts")
CURRENT = Currency(workflow)  # whether what a rule makes is current (docs/reruns.md)
SETTINGS = PROJECT.settings
SESSIONS = JOBS.sessions
STREAMS = list(SETTINGS.streams)
SPLITS = JOBS.splits
CLIPS = [f"results/clips/graphau/{split}.h5" for split in SPLITS]
# Refuses recordings in two splits or under two names; what it says changes no clip.
COMPARED = "results/repeated.json"
SCORED_SPLITS = SETTINGS["sampling"]["split"]
SEEDS = SETTINGS["sampling"]["seeds"]
MODELS = list(SETTINGS.models)
TRAINED = JOBS.trained
BASELINES = SETTINGS["baselines"]


def any_of(names):
    """A wildcard constraint for one of the names; one that never matches for none."""
    return "|".join(map(re.escape, names)) or "(?!)"


if workflow.storage_settings.default_storage_provider is not None:
    # With object storage Snakemake 9.27 asks there for the size of what it has not yet uploaded.
    def ensure(path, **_):
        return path


wildcard_constraints:
    session=any_of(SESSIONS),
    subject=any_of(JOBS.subjects),
    stream=any_of(STREAMS),
    split=any_of(SPLITS),
    model=any_of(MODELS + BASELINES),
    seed=r"\d+",
