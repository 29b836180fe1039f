"""The steps of a session, one at a time: ``demo-session``, ``probe``, ``track``, ``extract``."""

from __future__ import annotations

import argparse
from pathlib import Path

from react24 import streams
from react24.cli.options import add_config, add_output, declare_recordings, given_settings
from react24.conventions import ROLES
from react24.errors import InputError
from react24.project.choices import COLUMNS, ChoiceError, parse_choices

DEMO = "Make one session of the demo corpus."
PROBE = "Read the clock of two videos into a media file."
TRACK = "Track the faces of a session."
EXTRACT = "Extract one stream of features."


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Options of ``react24 demo-session``."""
    add = parser.add_argument
    add("name", help="such as demo01")
    add("--folder", type=Path, help="where to (resources/demo/NAME)")
    add("--seconds", type=float, help="length, where not the usual one")
    add_config(parser)


def run_demo(options: argparse.Namespace) -> None:
    """``react24 demo-session``."""
    from react24.corpora.demo.corpus import make_demo_session
    from react24.project.config import DEMO_ROOT

    folder = options.folder or Path(DEMO_ROOT) / options.name
    seed = given_settings(options)["demo"]["seed"]
    make_demo_session(options.name, folder, seed=seed, seconds=options.seconds)


def add_probe(parser: argparse.ArgumentParser) -> None:
    """Options of ``react24 probe``."""
    add = parser.add_argument
    for role in ROLES:
        add(f"video_{role}", type=Path, help=f"video of person {role}")
    add("--session", default="session", help="name of the session")
    for role in ROLES:
        add(f"--audio-{role}", type=Path, help=f"sound file of person {role}")
        add(f"--subject-{role}", default=role, help=f"who person {role} is")
        for column in COLUMNS:
            option = f"--{column.replace('_', '-')}-{role}"
            add(option, default="", help=f"as {column}_{role} in the sample sheet")
    add("--no-sound", action="store_true", help="sound is not needed")
    add_output(parser, "media file (HDF5)")
    add_config(parser)


def run_probe(options: argparse.Namespace) -> None:
    """``react24 probe``."""
    from react24.media.probe import RoleMedia, probe_session

    settings = given_settings(options)
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


def add_track(parser: argparse.ArgumentParser) -> None:
    """Options of ``react24 track``."""
    parser.add_argument("media", type=Path, help="media file that `probe` wrote")
    add_output(parser, "faces file (HDF5)")
    add_config(parser)


def run_track(options: argparse.Namespace) -> None:
    """``react24 track``."""
    from react24.faces.track import track_session

    faces = given_settings(options)["faces"]
    declare_recordings(options, options.media)
    track_session(
        options.media,
        options.output,
        max_gap=faces["max_gap"],
        max_missing=faces["max_missing"],
        model=faces["model"],
        created_by="react24 track",
    )


def add_extract(parser: argparse.ArgumentParser) -> None:
    """Options of ``react24 extract``."""
    add, reading = parser.add_argument, _streams_by_source()
    names = ", ".join(streams.names())
    add("stream", help=f"{names}, or one of your own in the configuration")
    what = (
        f"faces file ({reading['faces']}, {reading['pictures']}) or media file ({reading['sound']})"
    )
    add("source", type=Path, help=what)
    add("--media", type=Path, help=f"media file beside it ({reading['pictures']})")
    add_output(parser, "feature file (HDF5)")
    add_config(parser)


def _streams_by_source() -> dict[str, str]:
    """``faces``, ``pictures`` or ``sound`` -> names of the built-in streams that are made of it."""
    of: dict[str, list[str]] = {}
    for name, stream in streams.STREAMS.items():
        of.setdefault(stream.backend({}).reads, []).append(name)
    return {reads: ", ".join(names) for reads, names in of.items()}


def run_extract(options: argparse.Namespace) -> None:
    """``react24 extract``."""
    from react24.streams.extract import extract_session

    section = given_settings(options)["streams"].get(options.stream, {})
    stream = streams.get(options.stream, section)
    reads = stream.backend(section).reads
    files = {"media" if reads == "sound" else "faces": options.source}
    if reads == "pictures":
        if options.media is None:
            raise InputError(f"stream {options.stream} is made from the videos: give --media too")
        files["media"] = options.media
    if "media" in files:
        declare_recordings(options, files["media"])
    extract_session(stream, files, options.output, settings=section)
