"""The whole check: every session in parallel, then what only shows when all are known."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

from react24.check.looks import SessionLook, Task, look_at_session
from react24.check.weights import fetch_face_model, look_at_weights
from react24.conventions import SPLITS
from react24.log import progress
from react24.media.repeated import Recording, Repeat, find_repeated
from react24.project.broken import BROKEN, LeftOut, names_recording, note_broken
from react24.project.lengths import CLIP_SECONDS, no_clip
from react24.project.load import Project, emptied_splits
from react24.project.session import Session
from react24.project.sheet_files import explain_wrong_root, list_uses


@dataclass(frozen=True)
class Report:
    """What the check found.

    Attributes:
        project: Configuration and sample sheet.
        looks: Session -> what its recordings hold, in the order of the sheet; empty where none was
            looked at.
        errors: What keeps the run, or a session of it, from working.
        warnings: What deserves a look.
        left_out: Sessions that the run does without (``corpus.skip_broken``).
    """

    project: Project
    looks: dict[str, SessionLook]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()


def check_project(
    project: Project,
    *,
    cores: int,
    sync: bool = False,
    results: Path = Path("results"),
    write_broken: bool = False,
) -> Report:
    """Look at all recordings of a project, and at weights that are the user's own.

    Args:
        project: Of ``inspect_project``, whose problems are taken over.
        cores: Sessions looked at at a time.
        sync: Whether to estimate how far apart the recordings of a session were started.
        results: Folder of an earlier run's files.
        write_broken: Whether to note the sessions whose recordings cannot be used for the run.
    """
    settings = project.settings
    errors, warnings = [*project.problems], [*project.warnings]
    errors += [text for text in look_at_weights(settings) if text not in errors]
    wrong_root = explain_wrong_root(list_uses(project.sessions), settings)
    if wrong_root is not None:
        told = f"{settings.sheet}, {wrong_root}"
        errors += [told] if wrong_root and told not in errors else []
        return Report(project, {}, tuple(errors), tuple(warnings), project.left_out)
    no_faces = fetch_face_model(settings)
    errors += [text for text in no_faces if text not in errors]
    tasks = [Task(s, settings, results, sync, not no_faces) for s in project.sessions]
    found = {look.session: look for look in look_at_all(tasks, cores)}
    looks = {s.session: found[s.session] for s in project.sessions}
    broken = _broken(project, looks)
    left_out = _note(project, broken) if write_broken else []
    told = {left.session.session: left.why for left in left_out}
    for session in project.sessions:
        look = looks[session.session]
        found_here = [_at_row(session, error) for error in look.errors]
        errors += [text for text in found_here if text not in told.get(session.session, ())]
        warnings += [_at_row(session, notice.message) for notice in look.notices]
    warnings += _advise(project, broken) if not left_out else []
    kept = [session for session in project.sessions if session.session not in told]
    errors += emptied_splits(project.sessions, kept)
    project = replace(project, sessions=tuple(kept))
    warnings += _too_short(list(looks.values()))
    repeats = find_repeated([r for look in looks.values() for r in look.recordings])
    for group in _group(repeats):
        refused = any(repeat.refused for repeat in group)
        (errors if refused else warnings).append(_tell_repeats(group))
    errors += _splits_without_clips(project, looks)
    errors += _clips_without_line(project, looks)
    everybody = (*project.left_out, *left_out)
    return Report(project, looks, tuple(errors), tuple(warnings), everybody)


def _note(project: Project, broken: Sequence[LeftOut]) -> list[LeftOut]:
    """Note sessions for a run; returns those that it then leaves out."""
    everyone = [*project.sessions, *(left.session for left in project.left_out)]
    if broken:
        note_broken({b.session.session: b.why for b in broken}, everyone, project.settings)
    return list(broken) if project.settings["corpus"]["skip_broken"] else []


def _broken(project: Project, looks: Mapping[str, SessionLook]) -> list[LeftOut]:
    """Sessions of which a recording cannot be used."""
    found = []
    for session in project.sessions:
        why = [e for e in looks[session.session].errors if names_recording(e, session)]
        found += [LeftOut(session, tuple(_at_row(session, text) for text in why))] if why else []
    return found


def _advise(project: Project, broken: Sequence[LeftOut]) -> list[str]:
    """How to go on without the sessions that cannot be used."""
    if not broken:
        return []
    skip = project.settings["corpus"]["skip_broken"]
    how = "" if skip else "set corpus.skip_broken: true, and "
    names = ", ".join(left.session.session for left in broken[:3])
    return [
        f"{len(broken)} of {len(project.sessions)} session(s) cannot be used as they are "
        f"({names}{' and more' if len(broken) > 3 else ''}): repair or replace their recordings; "
        f"or {how}`react24 check --write-broken` notes them in {BROKEN}, so that a run leaves them "
        f"out and goes on with the others"
    ]


def _group(repeats: Sequence[Repeat]) -> list[list[Repeat]]:
    """Repeats of one and the same recording together."""
    groups: list[list[Repeat]] = []
    for repeat in repeats:
        places = {_place(repeat.first), _place(repeat.second)}
        met = [g for g in groups if any({_place(r.first), _place(r.second)} & places for r in g)]
        for group in met:
            groups.remove(group)
        groups.append([*(r for group in met for r in group), repeat])
    return groups


def _place(recording: Recording) -> tuple[str, str]:
    return recording.session, recording.role


def _tell_repeats(group: Sequence[Repeat]) -> str:
    if len(group) == 1:
        return group[0].sentence()
    places = {_place(r): r for repeat in group for r in (repeat.first, repeat.second)}
    listed = ", ".join(
        f"{r.video} (session {r.session}, role {r.role}, subject {r.subject}, {r.split})"
        for r in places.values()
    )
    return (
        f"one recording stands in the sheet {len(places)} times: {listed}; correct the sheet, or "
        f"take all sessions but one out"
    )


def _at_row(session: Session, sentence: str) -> str:
    """A sentence of a job, with the row of the sheet that it concerns."""
    name, where = f"session {session.session}", f"session {session.session} (row {session.row})"
    if sentence.startswith((f"{name}:", f"{name},")):
        return where + sentence.removeprefix(name)
    if sentence.startswith("column "):
        return f"{where}, {sentence}"
    return f"{where}: {sentence}"


def _too_short(looks: Sequence[SessionLook]) -> list[str]:
    short = [look for look in looks if look.seconds is not None and not look.clips]
    if not short:
        return []
    listed = ", ".join(f"{look.session} ({look.seconds:.2f} s)" for look in short)
    return [
        f"{len(short)} session(s) are shorter than a clip, {CLIP_SECONDS:g} s, and give none: "
        f"{listed}"
    ]


def look_at_all(
    tasks: Sequence[Task], cores: int, look: Callable[[Task], SessionLook] = look_at_session
) -> Iterator[SessionLook]:
    """Look at sessions in processes of their own, so that one that crashes costs no other.

    Yields:
        One look per task, in any order.
    """
    done = set()
    looks = _in_pool(tasks, cores, look)
    for found in progress(looks, what="looking at recordings", unit="session", total=len(tasks)):
        done.add(found.session)
        yield found
    # Those that were under way when a process broke; each alone, to see which one breaks it.
    for task in tasks:
        if task.session.session not in done:
            yield from list(_in_pool([task], 1, look)) or [_crashed(task)]


def _in_pool(
    tasks: Sequence[Task], cores: int, look: Callable[[Task], SessionLook]
) -> Iterator[SessionLook]:
    """Looks of all tasks, up to the first that ends its process."""
    if not tasks:
        return
    workers = max(1, min(cores, len(tasks)))
    spawn = multiprocessing.get_context("spawn")  # forked libraries of video do not always work
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_be_quiet) as pool:
        jobs = [pool.submit(look, task) for task in tasks]
        for job in as_completed(jobs):
            try:
                yield job.result()
            except BrokenProcessPool:
                continue


def _be_quiet() -> None:
    """What jobs and libraries write to the console would stand between the lines of the check."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _crashed(task: Task) -> SessionLook:
    files = ", ".join(str(person.video) for person in task.session.people)
    message = (
        f"looking at it ended the process (a fault of a library, or no memory left); convert its "
        f"recordings anew, for instance with ffmpeg -i IN -c:v libx264 -c:a aac OUT.mp4 ({files})"
    )
    return SessionLook(task.session.session, errors=(message,))


def _clips_without_line(project: Project, looks: Mapping[str, SessionLook]) -> list[str]:
    """Clips that the official index lacks, where it is used."""
    chosen = project.settings["appropriate"]
    if chosen["source"] != "official" or chosen["index"] is None:
        return []
    from react24.clips.official_matrix import check_clips

    keys = [
        (session.site.upper(), session.session.upper(), str(number + 1))
        for session in project.sessions
        for number in range(looks[session.session].clips)
    ]
    problems = check_clips(keys, project.settings.root / chosen["index"]) if keys else []
    return [f"appropriate.index: {problem}" for problem in problems]


def _splits_without_clips(project: Project, looks: dict[str, SessionLook]) -> list[str]:
    """Splits in which no session is long enough, of those whose sessions are all known."""
    problems = []
    for split in SPLITS:
        sessions = [s for s in project.sessions if s.split == split]
        known = [looks[s.session] for s in sessions if looks[s.session].seconds is not None]
        if not known or len(known) < len(sessions):
            continue
        if not any(look.clips for look in known):
            longest = max(look.seconds or 0 for look in known)
            problems.append(no_clip(split, len(sessions), longest))
    return problems
