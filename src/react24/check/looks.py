"""A look at the recordings of one session: what the jobs would say, within seconds.

Times, sizes and sound are found out by ``probe_session`` itself, the faces of the first seconds by
``track_session``; both write into a folder that is thrown away. Where a run has been made since the
recordings were last changed, its files are read instead, and the faces are those of all of it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np

from react24.conventions import CLIP_FRAMES, FPS, ROLES
from react24.errors import InputError, InputErrors
from react24.faces.track import NoFaceError, track_session
from react24.files import contract
from react24.files.notices import Notice, read_notices
from react24.media import whereabouts
from react24.media.probe import RoleMedia, check_readable, probe_session
from react24.media.repeated import Recording, read_recordings
from react24.media.sync import A_TICK, estimate_offset
from react24.media.timing import scan_role
from react24.project.config import Settings
from react24.project.session import Person, Session
from react24.project.sheet_files import explain_missing, list_uses, will_be_made

SECONDS = 3
"""Seconds in which faces are looked for."""

LATER = 60
"""Second of the other look, where the first shows no face (half the session, if it is shorter)."""


@dataclass(frozen=True)
class RoleLook:
    """What one person's recording holds.

    Attributes:
        role: ``a`` or ``b``.
        subject: Who it is.
        video: File of the pictures.
        audio: File of the sound.
        seconds: Length that can be used.
        picture: Width and height as a player shows it, or of the part that is used.
        fps: Pictures per second, on average.
        sound: Rate in Hz and number of channels; None where there is no sound.
        face: Share of the frames looked at that show the person's face; None where not known.
        face_width: Median width of it, pixels; None where there is none.
        face_seconds: Seconds that were looked at for the two.
    """

    role: str
    subject: str
    video: str
    audio: str
    seconds: float
    picture: tuple[int, int]
    fps: float
    sound: tuple[int, int] | None
    face: float | None = None
    face_width: float | None = None
    face_seconds: float = 0.0


@dataclass(frozen=True)
class SessionLook:
    """What the recordings of a session hold.

    Attributes:
        session: Name.
        seconds: Length of the session; None where its files cannot be used, or are not made yet.
        roles: Role -> what was seen.
        errors: Why its jobs would fail.
        notices: What deserves a look.
        recordings: What it takes to find a recording in another session.
        made_later: The workflow makes these files (demo corpus).
        sync: What their sound says on how far apart the recordings were started, if asked for.
    """

    session: str
    seconds: float | None = None
    roles: dict[str, RoleLook] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    recordings: tuple[Recording, ...] = ()
    made_later: bool = False
    sync: str = ""

    @property
    def clips(self) -> int:
        """Whole clips of 30 s that the session is long enough for."""
        return int((self.seconds or 0) * FPS + 0.5) // CLIP_FRAMES


@dataclass(frozen=True)
class Task:
    """What to look at: a row of the sheet; files of a run in ``results`` are used if up to date.

    With ``sync`` it is estimated how far apart the two recordings were started; without ``faces``
    none are looked for.
    """

    session: Session
    settings: Settings
    results: Path = Path("results")
    sync: bool = False
    faces: bool = True


def look_at_session(task: Task) -> SessionLook:
    """Look at the recordings of a session; whatever is wrong with them is in the result."""
    session = task.session
    errors, made_later = _unusable_files(task)
    if errors or made_later:
        found = [text for texts in errors.values() for text in texts]
        if found:
            found += [text for role in ROLES if role not in errors for text in _scan(task, role)]
        return SessionLook(session.session, errors=tuple(found), made_later=not found)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _look(task, Path(folder))
    except InputErrors as error:
        return SessionLook(session.session, errors=tuple(error.problems))
    except (InputError, contract.StoreError) as error:
        return SessionLook(session.session, errors=(str(error),))


def _unusable_files(task: Task) -> tuple[dict[str, list[str]], bool]:
    """Role -> what is wrong with its files by their headers; whether any is still to be made."""
    settings, made_later = task.settings, False
    errors: dict[str, list[str]] = {}
    for use in list_uses([task.session]):
        path, where = settings.root / use.path, f"column {use.kind}_{use.role}"
        if text := explain_missing(use, settings):
            errors.setdefault(use.role, []).append(f"{where}: {text}")
        elif not path.exists():
            made_later = made_later or will_be_made(use.path, settings)
        else:
            sound = use.holds_sound and settings.hears
            for text in check_readable(path, video=use.kind == "video", sound=sound):
                errors.setdefault(use.role, []).append(f"{where}: {text}")
    return errors, made_later


def _scan(task: Task, role: str) -> list[str]:
    """What is wrong with one person's recording, where the other's cannot be used anyway."""
    files = _role_media(task)[role]
    if not files.video.exists() or (files.audio is not None and not files.audio.exists()):
        return []  # made later
    tolerate = task.settings["media"]["tolerate_damage"]
    try:
        scan = scan_role(role, files, decode=tolerate, need_sound=task.settings.hears, threads=1)
    except InputError as error:
        return list(getattr(error, "problems", [str(error)]))
    return [] if tolerate else [damage.sentence() for damage in scan.damage]


def _look(task: Task, folder: Path) -> SessionLook:
    session = task.session
    root = task.settings.root
    whereabouts.declare(session.session, {n: root / path for n, path in session.files.items()})
    media = _media_of_run(task)
    if media is None:
        media = folder / "media.h5"
        probe_session(
            media,
            session=session.session,
            roles=_role_media(task),
            **_media_config(task.settings),
            created_by="react24 check",
        )
    notices = read_notices(media)
    with contract.open_file(media, "media") as file:
        seconds = int(file.attrs["frames"]) / FPS
        roles = {role: _describe(file, role) for role in ROLES}
    faces, errors = _faces_of_run(task, media), []
    if faces is not None:
        notices += read_notices(faces)
        with contract.open_file(faces, "faces") as file:
            roles = {role: _with_face(look, file[role]) for role, look in roles.items()}
    elif task.faces:
        for role, look in roles.items():
            try:
                roles[role], told = _look_at_face(task, media, look, folder)
                notices += told
            except InputError as error:
                errors.append(str(error))
    sync, doubts = _estimate_offset(task) if task.sync else ("", [])
    notices += doubts
    return SessionLook(
        session.session,
        seconds,
        roles,
        tuple(errors),
        tuple(notices),
        tuple(read_recordings([media], {session.session: session.split})),
        sync=sync,
    )


def _role_media(task: Task) -> dict[str, RoleMedia]:
    """The files of both people, as the jobs take them."""
    root = task.settings.root
    return {
        person.role: RoleMedia(
            video=root / person.video,
            audio=root / person.audio if person.audio != person.video else None,
            subject=person.subject,
            role_name=person.role_name,
            choices=person.choices,
        )
        for person in task.session.people
    }


def _media_config(settings: Settings) -> dict[str, bool]:
    """What a media file depends on beside the recordings."""
    return {
        "tolerate_damage": settings["media"]["tolerate_damage"],
        "need_sound": settings.hears,
    }


def _estimate_offset(task: Task) -> tuple[str, list[Notice]]:
    """How far apart the recordings were started by their sound; a doubt where the sheet differs."""
    try:
        offset = estimate_offset(_role_media(task))
    except InputError as error:
        return f"the offset cannot be estimated: {error}", []
    sentence = offset.sentence()
    if not offset.decidable or abs(offset.seconds - offset.said) <= A_TICK:
        return sentence, []
    return sentence, [Notice("time.sync", sentence)]


def _media_of_run(task: Task) -> Path | None:
    """The media file that a run has left, if it is of these recordings, read in this way."""
    path = task.results / "media" / f"{task.session.session}.h5"
    if not _is_newer(path, [u.path for u in list_uses([task.session])], task.settings.root):
        return None
    try:
        with contract.open_file(path, "media") as file:
            same = contract.read_json(file, "config") == _media_config(task.settings) and all(
                _is_of(file, person, task.settings.root) for person in task.session.people
            )
    except contract.StoreError:  # of another version, say: the run makes it anew
        return None
    return path if same else None


def _is_of(file: h5py.File, person: Person, root: Path) -> bool:
    """Whether a role of a media file is what the sheet says now, in whichever folder it lies."""
    about, digests = file[person.role].attrs, contract.read_json(file, "inputs")
    if about["choices"] != person.choices.to_json():
        return False
    apart = person.audio != person.video
    if apart != (about["audio"] != about["video"]):
        return False
    files = {"video": person.video} | ({"audio": person.audio} if apart else {})
    return all(
        about[kind] == str(path)
        or digests[f"{person.role}_{kind}"] == contract.sha256_file(root / path)
        for kind, path in files.items()
    )


def _faces_of_run(task: Task, media: Path) -> Path | None:
    """The faces file that a run has made of a media file."""
    path = task.results / "faces" / f"{task.session.session}.h5"
    if media.parent.parent != task.results or not _is_newer(path, [media], Path()):
        return None
    try:
        with contract.open_file(path, "faces"):
            return path
    except contract.StoreError:
        return None


def _is_newer(path: Path, sources: list[Path], root: Path) -> bool:
    if not path.is_file():
        return False
    made = path.stat().st_mtime
    return all((root / source).stat().st_mtime <= made for source in sources)


def _describe(file: h5py.File, role: str) -> RoleLook:
    """What a role of a media file says."""
    about = file[role].attrs
    rate, channels = int(about.get("sound_rate", 0)), int(about.get("sound_channels", 0))
    return RoleLook(
        role=role,
        subject=str(about["subject"]),
        video=str(whereabouts.name(file, role, "video")),
        audio=str(whereabouts.name(file, role, "audio")),
        seconds=float(about["duration"]),
        picture=(int(about["width"]), int(about["height"])),
        fps=float(about["source_fps"]),
        sound=(rate, channels) if channels else None,
    )


def _look_at_face(
    task: Task, media: Path, look: RoleLook, folder: Path
) -> tuple[RoleLook, list[Notice]]:
    """Look for the face of one person at the start, and where there is none a little later.

    Raises:
        InputError: The pictures cannot be read, or lie on their side or head.
    """
    with contract.open_file(media, "media") as file:
        frames = int(file.attrs["frames"])
    span, least = round(SECONDS * FPS), 1.0 - task.settings["faces"]["max_missing"]
    starts = dict.fromkeys((0, max(0, min(round(LATER * FPS), frames // 2 - span // 2))))
    best, notices = replace(look, face=0.0, face_seconds=min(span, frames) / FPS), []
    for start in starts:
        stop = min(start + span, frames)
        faces = _track_part(task, media, look.role, (start, stop), folder)
        if faces is None:
            continue
        with contract.open_file(faces, "faces") as file:
            seen = _with_face(look, file[look.role])
        if seen.face > best.face:
            best = seen
            notices = [_in_part(notice, start, stop) for notice in read_notices(faces)]
        if best.face >= least:
            return best, notices
    places = " and ".join(f"from second {s / FPS:g}" for s in starts)
    shown = f"a face in {best.face:.0%} of the frames at best" if best.face else "no face"
    message = (
        f"{look.video} (role {look.role}): within {SECONDS} s {places}, there is {shown}; the "
        f"session fails if less than {least:.0%} of all frames show one"
    )
    return best, [Notice("face.none", message, look.role, 0.0), *notices]


def _track_part(
    task: Task, media: Path, role: str, part: tuple[int, int], folder: Path
) -> Path | None:
    """Faces file of some frames of one role; None where no face is in them."""
    short, faces = folder / f"{role}{part[0]}.h5", folder / f"{role}{part[0]}_faces.h5"
    _cut(media, short, role, part)
    try:
        track_session(
            short,
            faces,
            max_gap=task.settings["faces"]["max_gap"],
            max_missing=1.0,
            model=task.settings["faces"]["model"],
            created_by="react24 check",
        )
    except NoFaceError:
        return None
    return faces


def _cut(media: Path, output: Path, role: str, part: tuple[int, int]) -> None:
    """A media file of some frames of one role."""
    with contract.open_file(media, "media") as whole, contract.open_hdf5(output, "w") as file:
        for name, value in whole.attrs.items():
            file.attrs[name] = value
        frames, file.attrs["frames"] = int(whole.attrs["frames"]), part[1] - part[0]
        whole.copy(role, file)
        for name, dataset in list(file[role].items()):
            if isinstance(dataset, h5py.Dataset) and dataset.shape[:1] == (frames,):
                kept = dataset[part[0] : part[1]]
                del file[role][name]
                file[role].create_dataset(name, data=kept)


def _with_face(look: RoleLook, group: h5py.Group) -> RoleLook:
    """The look with what a role of a faces file says."""
    found, box = group["found"][:], group["box"][:]
    width = float(np.median((box[:, 2] - box[:, 0])[found])) if found.any() else None
    return replace(look, face=float(found.mean()), face_width=width, face_seconds=len(found) / FPS)


def _in_part(notice: Notice, start: int, stop: int) -> Notice:
    """A notice of some frames, told as one of the session."""
    begin, end = start / FPS, stop / FPS
    message = f"{notice.message} (looked at from second {begin:g} to {end:g} only)"
    moved = [t + begin if t is not None else None for t in (notice.start, notice.stop)]
    return replace(notice, message=message, start=moved[0], stop=moved[1])
