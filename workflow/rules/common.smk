# Settings, sessions and the names of files, shared by all rules. Logic that can be tested lives in
# src/react24; here it is only asked.

import os
import re
import sys
from pathlib import Path

# Every job, also in its conda environment or on a cluster node, finds the library of this checkout.
SRC = str(Path(workflow.basedir) / "src")
if SRC not in sys.path:
    sys.path.insert(0, SRC)
os.environ["PYTHONPATH"] = os.pathsep.join(
    [SRC, *filter(None, [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p != SRC])]
)

from react24.codedigest import code_digest
from react24.config import load_settings
from react24.models.registry import model_type
from react24.sheet import read_sessions

# Jobs evaluate this file again; what the main process has checked need not be checked in each.
CHECK = workflow.is_main_process
SETTINGS = load_settings(config, check=CHECK, source="config")
SESSIONS = {s.session: s for s in read_sessions(SETTINGS, check_files=CHECK)}

STREAMS = [name for name, stream in SETTINGS["streams"].items() if stream.get("enabled", True)]
SPLITS = [
    split for split in ("train", "val", "test") if any(s.split == split for s in SESSIONS.values())
]
SCORED_SPLITS = SETTINGS["sampling"]["split"]
SEEDS = SETTINGS["sampling"]["seeds"]
MODELS = list(SETTINGS.models)
MODEL_SETTINGS = SETTINGS.models
BASELINES = SETTINGS["baselines"]


def any_of(names):
    """A wildcard constraint for one of the names; one that never matches for none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    session=any_of(SESSIONS),
    stream=any_of(STREAMS),
    split=any_of(SPLITS),
    model=any_of(MODELS + BASELINES),
    seed=r"\d+",


def sessions_of(split):
    """Sessions of a split, in the order of the sample sheet."""
    return [session for session in SESSIONS.values() if session.split == split]


def session_media(wildcards):
    """The videos of a session, and sound files where they lie apart."""
    session = SESSIONS[wildcards.session]
    files = {"video_a": session.a.video, "video_b": session.b.video}
    if session.a.audio:
        files["audio_a"] = session.a.audio
    if session.b.audio:
        files["audio_b"] = session.b.audio
    return {name: str(path) for name, path in files.items()}


def session_params(wildcards):
    """What the sample sheet says of a session beside its files."""
    session = SESSIONS[wildcards.session]
    return {
        "roles": {
            "a": {"subject": session.a.subject, "role_name": session.a.role_name},
            "b": {"subject": session.b.subject, "role_name": session.b.role_name},
        },
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


def model_kind(model):
    """The registered type of a model of the configuration."""
    return model_type(MODEL_SETTINGS[model]["type"])


def model_stages(model):
    """Names of the training stages of a model, in order."""
    return [stage.name for stage in model_kind(model).stages]


def training_clips(wildcards):
    """Clips of the training and, where there is one, the validation split."""
    streams = dict.fromkeys(s for stage in model_kind(wildcards.model).stages for s in stage.streams)
    return {
        f"{split}_{stream}": f"results/clips/{stream}/{split}.h5"
        for split in ("train", "val")
        if split in SPLITS
        for stream in streams
    }


def sampling_clips(wildcards):
    """Clips that a model reads when it samples."""
    streams = model_kind(wildcards.model).sampling_streams
    return {f"clips_{s}": f"results/clips/{s}/{wildcards.split}.h5" for s in streams}


def model_weights(wildcards):
    """Trained weights of every stage, with the settings beside them."""
    folder = f"results/models/{wildcards.model}/seed{wildcards.seed}"
    files = {}
    for stage in model_stages(wildcards.model):
        files[f"weights_{stage}"] = f"{folder}/{stage}/model.safetensors"
        files[f"settings_{stage}"] = f"{folder}/{stage}/model.json"
    return files


def baseline_clips(wildcards):
    """Clips that a baseline reads: of its split, and of train where it is a training mean."""
    files = {f"clips_{s}": f"results/clips/{s}/{wildcards.split}.h5" for s in ("graphau", "faceverse")}
    if wildcards.model in ("MeanSeq", "MeanFr"):
        files |= {f"train_{s}": f"results/clips/{s}/train.h5" for s in ("graphau", "faceverse")}
    return files
