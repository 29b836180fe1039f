# Settings, sessions and the names of files, shared by all rules. Logic that can be tested lives in
# src/react24; here it is only asked.

import os
import re
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The library of this checkout, here and in every job.
SRC = str(Path(workflow.basedir) / "src")
if SRC not in sys.path:
    sys.path.insert(0, SRC)

from react24.workflow.codedigest import code_digest
from react24.project.config import FACE_MODELS, LEARNED_BASELINES, read_config
from react24.errors import InputError
from react24 import models as registry
from react24.contracts import entry_points
from react24.contracts.model import SAMPLING
from react24.workflow.paths import share_with_jobs
from react24.project.load import load_project
from react24.workflow.failures import describe_failures
from react24.report.notices import describe_doubts
from react24.weights.registry import REGISTRY

STARTED = time.time()
share_with_jobs(SRC)

# Jobs evaluate this file again; what the main process has checked need not be checked in each.
CONFIG_FILES = workflow.config_settings.configfiles or [CONFIG_FILE]
CHECKOUT = Path(workflow.basedir)
try:
    # Snakemake's own reader lets through what ours refuses.
    if workflow.is_main_process:
        for path in CONFIG_FILES:
            read_config(path)
    PROJECT = load_project(
        config,
        check=workflow.is_main_process,
        source=", ".join(os.path.relpath(path) for path in CONFIG_FILES),
        start=None if CHECKOUT == Path.cwd() else CHECKOUT,
        kept=Path(".snakemake/react24/project.json"),
    )
except InputError as error:
    raise WorkflowError(str(error)) from None

SETTINGS = PROJECT.settings
SESSIONS = {session.session: session for session in PROJECT.sessions}
SUBJECTS = sorted({name for s in SESSIONS.values() for name in s.subjects})
STREAMS = list(SETTINGS.streams)
SPLITS = [
    split
    for split in ("train", "val", "test")
    if any(s.split == split for s in SESSIONS.values())
]
CLIPS = [f"results/clips/graphau/{split}.h5" for split in SPLITS]
SCORED_SPLITS = SETTINGS["sampling"]["split"]
SEEDS = SETTINGS["sampling"]["seeds"]
MODELS = list(SETTINGS.models)
MODEL_SETTINGS = SETTINGS.models
CHECKPOINTS = SETTINGS.checkpoints
TRAINED = [model for model in MODELS if model not in CHECKPOINTS]
BASELINES = SETTINGS["baselines"]


def any_of(names):
    """A wildcard constraint for one of the names; one that never matches for none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    session=any_of(SESSIONS),
    subject=any_of(SUBJECTS),
    stream=any_of(STREAMS),
    split=any_of(SPLITS),
    model=any_of(MODELS + BASELINES),
    seed=r"\d+",


def sessions_of(split):
    """Sessions of a split, in the order of the sample sheet."""
    return [session for session in SESSIONS.values() if session.split == split]


def session_media(wildcards):
    """The videos of a session, and sound files where they lie apart."""
    files = {}
    for person in SESSIONS[wildcards.session].people:
        files[f"video_{person.role}"] = str(person.video)
        if person.audio != person.video:
            files[f"audio_{person.role}"] = str(person.audio)
    return files


def recordings_and_bundle(wildcards):
    """Videos and sound of a session, and the face networks where they are the user's own."""
    model = SETTINGS["faces"]["model"]
    own = {} if model in FACE_MODELS else {"bundle": model}
    return session_media(wildcards) | own


def sessions_with(subject):
    """Sessions that a person is in, in the order of the sample sheet."""
    return [name for name, session in SESSIONS.items() if subject in session.subjects]


def own_network(stream):
    """The file of the blendshape network, where it is the user's own."""
    chosen = SETTINGS["streams"][stream]
    own = chosen["backend"] == "blendshapes" and chosen["weights"] not in REGISTRY
    return {"network": chosen["weights"]} if own else {}


def neutral_faces(stream):
    """Input function: neutral faces of the persons of a session who are in others, too."""

    def sources(wildcards):
        files = own_network(stream)
        for person in SESSIONS[wildcards.session].people:
            if (
                SETTINGS["faces"]["share_neutral"]
                and len(sessions_with(person.subject)) > 1
            ):
                path = f"results/neutral/{stream}/{person.subject}.h5"
                files[f"neutral_{person.role}"] = path
        return files

    return sources


def tracks_of_subject(wildcards):
    """Input function: face tracks of all sessions that a person is in."""
    sessions = sessions_with(wildcards.subject)
    return own_network(wildcards.stream) | {
        "faces": [f"results/faces/{session}.h5" for session in sessions]
    }


def recordings_and_weights(stream):
    """Input function: videos and sound of a session, and the weights files of the user's own."""
    weights = SETTINGS["streams"][stream]["weights"]

    def sources(wildcards):
        files = session_media(wildcards)
        if weights != "random" and weights not in REGISTRY:
            path = Path(weights)
            parts = sorted(path.iterdir()) if path.is_dir() else [path]
            files["weights"] = [str(part) for part in parts if part.is_file()]
        return files

    return sources


def session_people(wildcards):
    """What the sample sheet says of a session beside its files."""
    return {
        person.role: {
            "subject": person.subject,
            "role_name": person.role_name,
            "choices": person.choices.to_json(),
        }
        for person in SESSIONS[wildcards.session].people
    }


def keep_or_temp(path):
    """Normalised features are kept, or deleted once the clips are cut."""
    return path if SETTINGS["storage"]["keep_normalized"] else temp(path)


def appropriate_sources(wildcards):
    """The official matrix and its index, where they are used."""
    chosen = SETTINGS["appropriate"]
    if chosen["source"] != "official":
        return {}
    return {"matrix": chosen["matrix"], "index": chosen["index"]}


def without(settings, *keys):
    """Settings less some keys."""
    return {key: value for key, value in settings.items() if key not in keys}


def model_kind(model):
    """The registered type of a model of the configuration."""
    return registry.get(MODEL_SETTINGS[model]["type"])


def model_stages(model):
    """Names of the training stages of a model, in order."""
    return list(model_kind(model).stage_names)


def trained_models(kind):
    """Models of a built-in type that are trained; with None, models of the user's own."""
    kinds = {name: MODEL_SETTINGS[name]["type"] for name in TRAINED}
    return [
        name
        for name, found in kinds.items()
        if (None if entry_points.is_file(found) else found) == kind
    ]


def checkpoint_files(wildcards):
    """Input function: published files of a model, earlier stages, clips that are fitted to."""
    kind, model = model_kind(wildcards.model), wildcards.model
    files = {f"file_{name}": path for name, path in CHECKPOINTS[model].items()}
    needs = kind.stage(wildcards.stage).needs
    for stage in needs:
        files |= weight_files(f"results/models/{model}/seed{wildcards.seed}", stage)
    if kind.convert.fitted_on in needs:
        return files
    streams = kind.conversion_streams(MODEL_SETTINGS[model])
    return files | {f"train_{s}": f"results/clips/{s}/train.h5" for s in streams}


def conversion_code(wildcards):
    """Digest of the code that converts the published files of a model."""
    kind = model_kind(wildcards.model)
    function = kind.convert.function.partition(":")[0]
    return model_code(wildcards, "react24.models.convert", function, *kind.modules())


def stage_settings(wildcards):
    """The settings that a stage depends on; a change of others does not train it again."""
    stage = model_kind(wildcards.model).stage(wildcards.stage)
    return stage.settings(MODEL_SETTINGS[wildcards.model])


def stage_inputs(wildcards):
    """What a stage reads, as its model says."""
    settings = MODEL_SETTINGS[wildcards.model]
    return model_kind(wildcards.model).stage_inputs(settings, wildcards.stage)


def training_splits():
    """Train, and val where there is one."""
    return [split for split in ("train", "val") if split in SPLITS]


def stage_files(wildcards):
    """Input function: what a stage is trained on."""
    reads, splits = stage_inputs(wildcards), training_splits()
    files = {
        f"{split}_{stream}": f"results/clips/{stream}/{split}.h5"
        for split in splits
        for stream in reads.streams
    }
    if reads.appropriate:
        files |= {f"appropriate_{s}": f"results/appropriate/{s}.h5" for s in splits}
    if reads.frames:
        files |= picture_files(splits)
    folder = f"results/models/{wildcards.model}/seed{wildcards.seed}"
    for stage in model_kind(wildcards.model).stage(wildcards.stage).needs:
        files |= weight_files(folder, stage)
    return files


def stage_code(wildcards):
    """Digest of the code that trains a stage."""
    modules = model_kind(wildcards.model).modules(wildcards.stage)
    return model_code(wildcards, "react24.training.stage", *modules)


def model_code(wildcards, *modules):
    """Digest of some modules, those of a user's own model among them."""
    kind = MODEL_SETTINGS[wildcards.model]["type"]
    return code_digest(*modules, beside=entry_points.folder_of(kind))


def picture_files(splits):
    """Media files and face tracks of all sessions of some splits, and the videos."""
    sessions = [session for split in splits for session in sessions_of(split)]
    return {
        "media": [f"results/media/{s.session}.h5" for s in sessions],
        "faces": [f"results/faces/{s.session}.h5" for s in sessions],
        "videos": [str(person.video) for s in sessions for person in s.people],
    }


def weight_files(folder, stage):
    """Weights of a trained stage, with the settings beside them."""
    return {
        f"weights_{stage}": f"{folder}/{stage}/model.safetensors",
        f"settings_{stage}": f"{folder}/{stage}/model.json",
    }


def sampling_inputs(wildcards):
    """What sampling reads of the speaker."""
    settings = MODEL_SETTINGS[wildcards.model]
    return model_kind(wildcards.model).stage_inputs(settings, SAMPLING)


def sampling_files(wildcards):
    """Input function: clips (and pictures) of the speaker, weights of every stage."""
    reads = sampling_inputs(wildcards)
    files = {
        f"clips_{s}": f"results/clips/{s}/{wildcards.split}.h5" for s in reads.streams
    }
    if reads.frames:
        files |= picture_files([wildcards.split])
    folder = f"results/models/{wildcards.model}/seed{wildcards.seed}"
    for stage in model_stages(wildcards.model):
        files |= weight_files(folder, stage)
    return files


def sampling_code(wildcards):
    """Digest of the sampling code with the model's own."""
    modules = model_kind(wildcards.model).modules()
    return model_code(wildcards, "react24.sampling.sample", *modules)


def told_files(sessions, streams):
    """Files of some sessions that may hold notices."""
    kinds = ["media", "faces", *(f"features/{stream}" for stream in streams)]
    return [f"results/{kind}/{s.session}.h5" for s in sessions for kind in kinds]


def other_sessions(split):
    """Sessions of train, for a table of another split that is made with them."""
    needed = split != "train" and "train" in SETTINGS.needed_splits
    return sessions_of("train") if needed else []


def baseline_clips(wildcards):
    """Clips that a baseline reads: of its split, and of train where it is a training mean."""
    streams = ("graphau", "faceverse")
    files = {f"clips_{s}": f"results/clips/{s}/{wildcards.split}.h5" for s in streams}
    if wildcards.model in LEARNED_BASELINES:
        files |= {f"train_{s}": f"results/clips/{s}/train.h5" for s in streams}
    return files


def tell_doubts():
    """Print what a user should know of his recordings, now that the run has ended."""
    told = told_files(SESSIONS.values(), STREAMS)
    repeated, where = "results/repeated.json", "results/tables/notices.md"
    print(describe_doubts(told, CLIPS, repeated, where=where))
