"""Single steps for people who want one without the whole workflow.

Every command calls one function of the library and imports what it needs only then.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from react24 import streams
from react24.cli import checking, scoring
from react24.conventions import ROLES
from react24.errors import InputError
from react24.project.choices import COLUMNS, ChoiceError, parse_choices

if TYPE_CHECKING:
    from react24.project.config import Settings

DEFAULT_CONFIG = Path("config/config.yaml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; None takes those of the process.

    Returns:
        Exit status: 0, or 1 where input cannot be used (2, wrong usage, is raised by argparse).
    """
    options = make_parser().parse_args(arguments)
    from react24.files.contract import StoreError
    from react24.log import start_logging

    start_logging()
    try:
        status = options.run(options) or 0
        sys.stdout.flush()
    except (InputError, StoreError, FileNotFoundError) as error:
        sys.stderr.write(f"react24 {options.command}: {error}\n")
        return 1
    except BrokenPipeError:  # "react24 show FILE | head": nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    return status


def make_parser() -> argparse.ArgumentParser:
    """The parser; each command stores its function as ``run``."""
    parser = argparse.ArgumentParser(prog="react24", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        part = commands.add_parser(name, help=text, description=text)
        part.set_defaults(run=run)
        return part

    check = command("check", checking.run_check, checking.CHECK)
    checking.add_check(check)
    _add_config(check)

    probe = command("probe", _probe, "Read the clock of two videos into a media file.")
    probe.add_argument("video_a", type=Path, help="video of person a")
    probe.add_argument("video_b", type=Path, help="video of person b")
    probe.add_argument("--session", default="session", help="name of the session")
    for role in ROLES:
        probe.add_argument(f"--audio-{role}", type=Path, help=f"sound file of person {role}")
        probe.add_argument(f"--subject-{role}", default=role, help=f"who person {role} is")
        for column in COLUMNS:
            option = f"--{column.replace('_', '-')}-{role}"
            probe.add_argument(option, default="", help=f"as {column}_{role} in the sample sheet")
    probe.add_argument("--no-sound", action="store_true", help="sound is not needed")
    _add_output(probe, "media file (HDF5)")
    _add_config(probe)

    track = command("track", _track, "Track the faces of a session.")
    track.add_argument("media", type=Path, help="media file that `probe` wrote")
    _add_output(track, "faces file (HDF5)")
    _add_config(track)

    extract = command("extract", _extract, "Extract one stream of features.")
    reading = _streams_by_source()
    extract.add_argument(
        "stream", help=f"{', '.join(streams.names())}, or one of your own in the configuration"
    )
    extract.add_argument(
        "source",
        type=Path,
        help=f"faces file ({reading['faces']}, {reading['pictures']}) or media file "
        f"({reading['sound']})",
    )
    extract.add_argument("--media", type=Path, help=f"media file beside it ({reading['pictures']})")
    _add_output(extract, "feature file (HDF5)")
    _add_config(extract)

    fetch = command("fetch-weights", _fetch, "Fetch and verify published weights.")
    fetch.add_argument("name", nargs="?", help="which; without a name, list what there is")
    fetch.add_argument("--folder", type=Path, help="where to keep them (resources/weights)")

    convert = command("convert-checkpoint", _convert, "Make weights of published checkpoints.")
    convert.add_argument("model", help="name of the model in the configuration")
    _add_config(convert)
    convert.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="[NAME=]PATH",
        help="published file, and which one it is where the model takes several (docs/"
        "checkpoints.md); without this, those under `checkpoint` of the configuration",
    )
    convert.add_argument(
        "--clips",
        action="append",
        default=[],
        metavar="STREAM=PATH",
        help="clips of the training split, for models of which a part is fitted",
    )
    convert.add_argument(
        "-o", "--output", type=Path, required=True, help="folder; each stage gets one in it"
    )

    demo = command("demo-session", _demo, "Make one session of the demo corpus.")
    demo.add_argument("name", help="such as demo01")
    demo.add_argument("--folder", type=Path, help="where to (resources/demo/NAME)")
    demo.add_argument("--seconds", type=float, help="length, where not the usual one")
    _add_config(demo)

    evaluate = command("evaluate", scoring.run_evaluate, scoring.EVALUATE)
    scoring.add_evaluate(evaluate)
    compare = command("compare", scoring.run_compare, scoring.COMPARE)
    scoring.add_compare(compare)

    inspect = command("inspect", _inspect, "Draw a sheet that shows whether features are right.")
    inspect.add_argument("session", help="its name, such as demo01")
    inspect.add_argument(
        "--results", type=Path, default=Path("results"), help="folder of results (results)"
    )
    inspect.add_argument(
        "--output", "-o", type=Path, help="PNG (inspect/SESSION.png in the folder of results)"
    )

    show = command("show", _show, "Print what an HDF5 file of the pipeline holds.")
    show.add_argument("file", type=Path)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, help=f"configuration ({DEFAULT_CONFIG}, if it is there)"
    )


def _add_output(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--output", "-o", type=Path, required=True, help=what)


def read_given_config(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """The configuration and what errors call it; defaults, and no model, where there is none."""
    from react24.project.config import read_config

    path = options.config
    if path is None and DEFAULT_CONFIG.exists():
        path = DEFAULT_CONFIG
    # Without one there are no settings files of models beside it either.
    return ({"models": {}}, "configuration") if path is None else (read_config(path), str(path))


def _settings(options: argparse.Namespace) -> Settings:
    from react24.project.config import load_settings

    config, source = read_given_config(options)
    return load_settings(config, source=source)


def _probe(options: argparse.Namespace) -> None:
    from react24.media.probe import RoleMedia, probe_session

    settings = _settings(options)
    try:
        choices = {role: parse_choices(vars(options), role) for role in ROLES}
    except ChoiceError as error:
        raise InputError(str(error)) from None
    roles = {
        role: RoleMedia(
            video=getattr(options, f"video_{role}"),
            audio=getattr(options, f"audio_{role}"),
            subject=getattr(options, f"subject_{role}"),
            role_name=role,
            choices=choices[role],
        )
        for role in ROLES
    }
    probe_session(
        options.output,
        session=options.session,
        roles=roles,
        tolerate_damage=settings["media"]["tolerate_damage"],
        need_sound=not options.no_sound,
        created_by="react24 probe",
    )


def _track(options: argparse.Namespace) -> None:
    from react24.faces.track import track_session

    faces = _settings(options)["faces"]
    track_session(
        options.media,
        options.output,
        max_gap=faces["max_gap"],
        max_missing=faces["max_missing"],
        model=faces["model"],
        created_by="react24 track",
    )


def _streams_by_source() -> dict[str, str]:
    """``faces``, ``pictures`` or ``sound`` -> names of the built-in streams that are made of it."""
    of: dict[str, list[str]] = {}
    for name, stream in streams.STREAMS.items():
        of.setdefault(stream.backend({}).reads, []).append(name)
    return {reads: ", ".join(names) for reads, names in of.items()}


def _extract(options: argparse.Namespace) -> None:
    from react24.streams.extract import extract_session

    sections = _settings(options)["streams"]
    section = sections.get(options.stream, {})
    stream = streams.get(options.stream, section)
    reads = stream.backend(section).reads
    files = {"media" if reads == "sound" else "faces": options.source}
    if reads == "pictures":
        if options.media is None:
            raise InputError(f"stream {options.stream} is made from the videos: give --media too")
        files["media"] = options.media
    extract_session(stream, files, options.output, settings=section)


def _fetch(options: argparse.Namespace) -> None:
    from react24.check.table import format_table
    from react24.weights.fetch import fetch
    from react24.weights.registry import DEFAULT_FOLDER, REGISTRY

    if options.name:
        _say(str(fetch(options.name, options.folder or DEFAULT_FOLDER)))
        return
    entries = [(e.name, f"{e.megabytes} MB", e.licence) for e in REGISTRY.values()]
    _say("\n".join(format_table([("name", "size", "licence"), *entries])))


def _convert(options: argparse.Namespace) -> None:
    from react24 import models as registry
    from react24.models.convert import convert_checkpoint, find_conversion

    settings = _settings(options)
    if options.model not in settings.models:
        known = ", ".join(settings.models) or "none"
        raise InputError(f"the configuration has no model {options.model!r}; it has {known}")
    values = settings.models[options.model]
    kind = registry.get(values["type"])
    if options.file:
        alone = len(options.file) == 1 and "=" not in options.file[0]
        given = options.file[0] if alone else _pairs(options.file, "--file")
        files = find_conversion(kind).name_files(given)
    else:
        files = settings.checkpoints.get(options.model, {})
    convert_checkpoint(
        values,
        {name: Path(path) for name, path in files.items()},
        {stage: options.output / stage for stage in kind.stage_names},
        clips={name: Path(path) for name, path in _pairs(options.clips, "--clips").items()},
        created_by="react24 convert-checkpoint",
    )


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """``NAME=PATH`` texts as a mapping."""
    pairs = [text.partition("=") for text in texts]
    for name, equals, path in pairs:
        if not (name and equals and path):
            raise InputError(f"{option}: found {name + equals + path!r}; accepted is NAME=PATH")
    return {name: path for name, _, path in pairs}


def _demo(options: argparse.Namespace) -> None:
    from react24.corpora.demo.corpus import make_demo_session
    from react24.project.config import DEMO_ROOT

    folder = options.folder or Path(DEMO_ROOT) / options.name
    seed = _settings(options)["demo"]["seed"]
    make_demo_session(options.name, folder, seed=seed, seconds=options.seconds)


def _inspect(options: argparse.Namespace) -> None:
    from react24.report.inspect import gather_sheet
    from react24.report.inspect_draw import draw_sheet

    output = options.output or options.results / "inspect" / f"{options.session}.png"
    draw_sheet(gather_sheet(options.session, options.results), output)
    _say(str(output))


def _show(options: argparse.Namespace) -> None:
    from react24.files.describe import describe_file

    _say(describe_file(options.file))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
