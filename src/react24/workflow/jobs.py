"""Which jobs a project needs: the files each of them reads, its settings, the code behind it.

The rules ask `Jobs`. Its input functions take what Snakemake hands them, an object with the
wildcards of the job as attributes, and return file names as they stand in the rules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from react24 import models, streams
from react24.contracts.entry_points import folder_of, is_file
from react24.contracts.metric import open_metric
from react24.contracts.model import SAMPLING, ModelType, StageInputs
from react24.contracts.stream import Backend, Stream
from react24.conventions import LEARNED_BASELINES, SPLITS
from react24.project.config import FACE_MODELS, Settings
from react24.project.load import Project
from react24.project.session import Session
from react24.workflow.codedigest import code_digest

ENVIRONMENTS = "../../envs"
"""Where the environments of the rules lie, seen from the rules."""

BASELINE_STREAMS = ("graphau", "faceverse")
"""What baselines copy from."""


@dataclass(frozen=True)
class Jobs:
    """The jobs of a project.

    Attributes:
        project: Settings and sessions.
        scripts: Folder of the workflow's scripts; None for that beside the package.
    """

    project: Project
    scripts: Path | None = None

    @property
    def settings(self) -> Settings:
        """Of the run."""
        return self.project.settings

    def code(self, rule: str) -> Callable[[Any], str]:
        """Function of wildcards: digest of the script of a rule and of all that it imports.

        A function, so that a job computes that of its own rule alone.
        """
        return lambda wildcards: code_digest(f"{rule}.py", scripts=self.scripts)

    # Sessions and people

    @cached_property
    def sessions(self) -> dict[str, Session]:
        """Name -> session, in the order of the sample sheet."""
        return {session.session: session for session in self.project.sessions}

    @cached_property
    def subjects(self) -> list[str]:
        """Everybody, sorted."""
        return sorted({name for session in self.sessions.values() for name in session.subjects})

    @cached_property
    def splits(self) -> list[str]:
        """Splits that have sessions."""
        return [split for split in SPLITS if self.sessions_of(split)]

    def sessions_of(self, split: str) -> list[Session]:
        """Sessions of a split, in the order of the sample sheet."""
        return [session for session in self.sessions.values() if session.split == split]

    def sessions_with(self, subject: str) -> list[str]:
        """Names of the sessions that a person is in, in the order of the sample sheet."""
        return self._sessions_with.get(subject, [])

    @cached_property
    def _sessions_with(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, session in self.sessions.items():
            for subject in dict.fromkeys(session.subjects):
                found.setdefault(subject, []).append(name)
        return found

    def session_people(self, wildcards: Any) -> dict[str, dict[str, Any]]:
        """What the sample sheet says of a session beside its files."""
        return {
            person.role: {
                "subject": person.subject,
                "role_name": person.role_name,
                "choices": person.choices.to_json(),
            }
            for person in self.sessions[wildcards.session].people
        }

    def session_media(self, wildcards: Any) -> dict[str, str]:
        """The videos of a session, and sound files where they lie apart."""
        return self.sessions[wildcards.session].files

    def track_files(self, wildcards: Any) -> dict[str, str]:
        """Videos and sound of a session, and the face networks where they are the user's own."""
        model = self.settings["faces"]["model"]
        own = {} if model in FACE_MODELS else {"bundle": model}
        return self.session_media(wildcards) | own

    # Streams

    @cached_property
    def all_streams(self) -> dict[str, Stream]:
        """Name -> stream: the built-in ones and those of the configuration."""
        sections = self.settings["streams"].items()
        root = self.settings.root
        return streams.STREAMS | {name: streams.get(name, s, root) for name, s in sections}

    def section(self, stream: str) -> dict[str, Any]:
        """The settings of a stream that its features depend on."""
        values = self.settings["streams"].get(stream, {})
        return {key: value for key, value in values.items() if key != "enabled"}

    def backend(self, stream: str) -> Backend:
        """The backend that the configuration chooses."""
        return self.all_streams[stream].backend(self.section(stream))

    @property
    def face_streams(self) -> list[str]:
        """Streams for which a person's neutral face is sought in all his sessions."""
        return [name for name in self.settings.streams if self.backend(name).shares_neutral]

    def stream_folder(self, stream: str) -> Path | None:
        """The folder of the file that defines a stream of the user's own."""
        kind = self.section(stream).get("type")
        return folder_of(kind, self.settings.root) if kind else None

    def stream_environment(self, stream: str) -> str:
        """The conda environment of a stream's rule, seen from the rules."""
        environment = self.backend(stream).environment
        folder = self.stream_folder(stream)
        if environment.endswith(".yaml") and folder:
            return str(folder / environment)
        return f"{ENVIRONMENTS}/{environment}.yaml"

    def stream_resources(self, stream: str) -> dict[str, Any]:
        """What the job of a stream takes: ``mem_mb``, ``runtime``, and ``gpu`` for a network."""
        backend = self.backend(stream)
        gpu = {"gpu": 1} if backend.gpu else {}
        return {
            "mem_mb": per_attempt(backend.mem_mb),
            "runtime": per_attempt(backend.runtime),
            **gpu,
        }

    def stream_code(self, stream: str) -> str:
        """Digest of the code that makes a stream, and of what its row of the table says of it."""
        about, backend = self.all_streams[stream], self.backend(stream)
        row = (about.columns, about.rows, backend.reads, backend.extractors, backend.settings)
        modules = ("extract_stream.py", *backend.modules)
        code = code_digest(*modules, beside=self.stream_folder(stream), scripts=self.scripts)
        return hashlib.sha256(f"{code} {row!r}".encode()).hexdigest()

    def stream_files(self, stream: str) -> Callable[[Any], dict[str, Any]]:
        """Input function: what a stream is made from, and weights files of the user's own."""
        reads = self.backend(stream).reads

        def files(wildcards: Any) -> dict[str, Any]:
            found: dict[str, Any] = self.own_weights(stream)
            if reads != "faces":  # decoded again
                found |= self.session_media(wildcards)
                found["media"] = f"results/media/{wildcards.session}.h5"
            if reads != "sound":
                found["faces"] = f"results/faces/{wildcards.session}.h5"
            return found | self._neutral_faces(stream, wildcards.session)

        return files

    def _neutral_faces(self, stream: str, session: str) -> dict[str, str]:
        """Neutral faces of the persons of a session who are in others, too."""
        if stream not in self.face_streams or not self.settings["faces"]["share_neutral"]:
            return {}
        return {
            f"neutral_{person.role}": f"results/neutral/{stream}/{person.subject}.h5"
            for person in self.sessions[session].people
            if len(self.sessions_with(person.subject)) > 1
        }

    def own_weights(self, stream: str) -> dict[str, list[str]]:
        """The weights files of a stream, where they are the user's own."""
        chosen, known = self.section(stream).get("weights"), self.backend(stream).weights
        if chosen is None or known is None or chosen in known:
            return {}
        path = self.settings.root / chosen
        parts = sorted(path.iterdir()) if path.is_dir() else [path]
        return {"weights": [str(part) for part in parts if path == part or part.is_file()]}

    def tracks_of_subject(self, wildcards: Any) -> dict[str, list[str]]:
        """Input function: face tracks of all sessions that a person is in."""
        sessions = self.sessions_with(wildcards.subject)
        files = [f"results/faces/{session}.h5" for session in sessions]
        return self.own_weights(wildcards.stream) | {"faces": files}

    # Clips

    def official_files(self, wildcards: Any) -> dict[str, str]:
        """Input function: the official matrix and its index, where they are used."""
        chosen = self.settings["appropriate"]
        if chosen["source"] != "official":
            return {}
        return {"matrix": chosen["matrix"], "index": chosen["index"]}

    # Models

    @cached_property
    def trained(self) -> list[str]:
        """Models that are trained and not converted."""
        return [name for name in self.settings.models if name not in self.settings.checkpoints]

    def trained_of(self, kind: str | None) -> list[str]:
        """Models of a built-in type that are trained; with None, models of the user's own."""
        kinds = {name: self.settings.models[name]["type"] for name in self.trained}
        return [name for name, k in kinds.items() if (None if is_file(k) else k) == kind]

    def model_type(self, model: str) -> ModelType:
        """The type of a model of the configuration."""
        return models.get(self.settings.models[model]["type"], self.settings.root)

    def model_code(self, model: str, *modules: str) -> str:
        """Digest of some modules, those of a user's own model among them."""
        kind = self.settings.models[model]["type"]
        beside = folder_of(kind, self.settings.root)
        return code_digest(*modules, beside=beside, scripts=self.scripts)

    def stage_settings(self, wildcards: Any) -> dict[str, Any]:
        """The settings that a stage depends on; a change of others does not train it again."""
        stage = self.model_type(wildcards.model).stage(wildcards.stage)
        return stage.settings(self.settings.models[wildcards.model])

    def stage_files(self, wildcards: Any) -> dict[str, Any]:
        """Input function: what a stage is trained on, and weights of earlier stages."""
        kind = self.model_type(wildcards.model)
        reads = kind.stage_inputs(self.settings.models[wildcards.model], wildcards.stage)
        splits = [split for split in ("train", "val") if split in self.splits]
        files: dict[str, Any] = {
            f"{split}_{stream}": f"results/clips/{stream}/{split}.h5"
            for split in splits
            for stream in reads.streams
        }
        if reads.appropriate:
            files |= {f"appropriate_{s}": f"results/appropriate/{s}.h5" for s in splits}
        if reads.frames:
            files |= self.picture_files(splits)
        return files | weight_files(wildcards, kind.stage(wildcards.stage).needs)

    def stage_code(self, wildcards: Any) -> str:
        """Digest of the code that trains a stage."""
        modules = self.model_type(wildcards.model).modules(wildcards.stage)
        return self.model_code(wildcards.model, "train_stage.py", *modules)

    def checkpoint_files(self, wildcards: Any) -> dict[str, str]:
        """Input function: published files of a model, earlier stages, clips that are fitted to."""
        kind, model = self.model_type(wildcards.model), wildcards.model
        needs = kind.stage(wildcards.stage).needs
        files = {f"file_{n}": path for n, path in self.settings.checkpoints[model].items()}
        files |= weight_files(wildcards, needs)
        if kind.convert is None or kind.convert.fitted_on in needs:
            return files
        fitted = kind.conversion_streams(self.settings.models[model])
        return files | {f"train_{s}": f"results/clips/{s}/train.h5" for s in fitted}

    def conversion_code(self, wildcards: Any) -> str:
        """Digest of the code that converts the published files of a model."""
        kind = self.model_type(wildcards.model)
        modules = ["convert_checkpoint.py", *kind.modules()]
        if kind.convert is not None:
            modules.append(kind.convert.function.partition(":")[0])
        return self.model_code(wildcards.model, *modules)

    def sampling_inputs(self, wildcards: Any) -> StageInputs:
        """What sampling reads of the speaker."""
        kind = self.model_type(wildcards.model)
        return kind.stage_inputs(self.settings.models[wildcards.model], SAMPLING)

    def sampling_files(self, wildcards: Any) -> dict[str, Any]:
        """Input function: clips (and pictures) of the speaker, weights of every stage."""
        reads, split = self.sampling_inputs(wildcards), wildcards.split
        files: dict[str, Any] = {
            f"clips_{s}": f"results/clips/{s}/{split}.h5" for s in reads.streams
        }
        if reads.frames:
            files |= self.picture_files([split])
        return files | weight_files(wildcards, self.model_type(wildcards.model).stage_names)

    def sampling_memory(self, wildcards: Any, attempt: int) -> int:
        """Memory of sampling, MB: pictures need more."""
        return (6000 if self.sampling_inputs(wildcards).frames else 3000) * attempt

    def sampling_code(self, wildcards: Any) -> str:
        """Digest of the code that samples a model."""
        modules = self.model_type(wildcards.model).modules()
        return self.model_code(wildcards.model, "sample_reactions.py", *modules)

    def picture_files(self, splits: Iterable[str]) -> dict[str, list[str]]:
        """Media files and face tracks of all sessions of some splits, and the videos."""
        sessions = [session for split in splits for session in self.sessions_of(split)]
        return {
            "media": [f"results/media/{s.session}.h5" for s in sessions],
            "faces": [f"results/faces/{s.session}.h5" for s in sessions],
            "videos": [str(person.video) for s in sessions for person in s.people],
        }

    def baseline_files(self, wildcards: Any) -> dict[str, str]:
        """Input function: clips of a split, and of train for a baseline that is a mean of it."""
        split = wildcards.split
        files = {f"clips_{s}": f"results/clips/{s}/{split}.h5" for s in BASELINE_STREAMS}
        if wildcards.model in LEARNED_BASELINES:
            files |= {f"train_{s}": f"results/clips/{s}/train.h5" for s in BASELINE_STREAMS}
        return files

    # Metrics and tables

    @cached_property
    def scoring_code(self) -> list[str]:
        """Digests of the code that scores, and of each metric of the user's own."""
        digests = [code_digest("score_reactions.py", scripts=self.scripts)]
        root = self.settings.root
        for path in self.settings["metrics"]["own"]:
            modules = (Path(path).stem, *open_metric(path, root).modules)
            digests.append(code_digest(*modules, beside=folder_of(path, root)))
        return digests

    def told_files(self, sessions: Iterable[Session], features: Iterable[str]) -> list[str]:
        """Files of some sessions that may hold notices: clocks, tracks and some features."""
        kinds = ["media", "faces", *(f"features/{stream}" for stream in features)]
        return [f"results/{kind}/{s.session}.h5" for s in sessions for kind in kinds]

    def learned_sessions(self, split: str) -> list[Session]:
        """Sessions of train, for a table of another split that is made with them."""
        return self.sessions_of("train") if self._learns(split) else []

    def left_out_of(self, wildcards: Any) -> dict[str, dict[str, str]]:
        """Sessions that a table's split, and training, do without -> why."""
        split = wildcards.split
        train = self.project.why_left_out("train") if self._learns(split) else {}
        return {"here": self.project.why_left_out(split), "train": train}

    def _learns(self, split: str) -> bool:
        """Whether a table of this split is made with what was learned from train."""
        return split != "train" and "train" in self.settings.needed_splits


def per_attempt(first: int) -> Callable[..., int]:
    """Memory (MB) or time (minutes) of a rule: twice as much in the second attempt, and so on.

    Args:
        first: Of the first attempt.

    Returns:
        What Snakemake asks for the resources of a job. ``--set-resources`` takes its place.
    """

    def resource(wildcards: Any, attempt: int) -> int:
        return first * attempt

    return resource


def weight_files(wildcards: Any, stages: Iterable[str]) -> dict[str, str]:
    """Weights of trained stages of a model and seed, with the settings beside them."""
    folder = f"results/models/{wildcards.model}/seed{wildcards.seed}"
    return {
        f"{what}_{stage}": f"{folder}/{stage}/model.{suffix}"
        for stage in stages
        for what, suffix in (("weights", "safetensors"), ("settings", "json"))
    }
