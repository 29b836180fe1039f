import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from react24.errors import InputError, InputErrors
from react24.project.config import Settings, load_settings
from react24.project.load import load_project
from react24.project.sheet import inspect_sheet

REPOSITORY = Path(__file__).parents[2]
HEADER = "session split video_a video_b subject_a subject_b"


@pytest.fixture
def settings(tmp_path) -> Settings:
    (tmp_path / "videos").mkdir()
    config = {"corpus": {"root": "videos", "name": "mine"}, "demo": {"enabled": False}}
    return load_settings(config | {"models": {}}, tmp_path)


@pytest.fixture
def readable(monkeypatch):
    """Every file that is there can be read, unless its content says ``bad``."""
    calls = {}

    def check_readable(path, *, video=True, sound=True):
        calls[Path(path).name] = (video, sound)
        return [f"{path}: no picture"] if Path(path).read_text() == "bad" else []

    monkeypatch.setattr("react24.media.probe.check_readable", check_readable)
    return calls


def write(settings, *rows, header=HEADER, end="\n", encoding="utf-8"):
    """A sheet from rows with blanks for tabs (``_`` for an empty cell)."""
    lines = [line if line.startswith("#") else line.replace(" ", "\t") for line in (header, *rows)]
    text = end.join(lines) + end
    path = settings.root / "sessions.tsv"
    path.write_bytes(text.replace("_\t", "\t").encode(encoding))
    return path


def read_sheet(path, settings, *, check_files, warnings=None):
    """Sessions of a sheet in which nothing is wrong; its warnings are appended to ``warnings``."""
    sheet = inspect_sheet(path, settings, check_files=check_files)
    if warnings is not None:
        warnings += sheet.warnings
    if sheet.problems:
        raise InputErrors(str(path), sheet.problems)
    return sheet.sessions


def read(settings, *rows, check_files=False, **options):
    return read_sheet(write(settings, *rows, **options), settings, check_files=check_files)


def problems_of(settings, *rows, **options):
    with pytest.raises(InputErrors) as error:
        read(settings, *rows, **options)
    return error.value.problems


def only_problem(settings, *rows, **options):
    problems = problems_of(settings, *rows, **options)
    assert len(problems) == 1, problems
    return problems[0]


GOOD = "s1 train s1/a.mp4 s1/b.mp4 anna bert"


def test_a_row_becomes_a_session(settings):
    (session,) = read(settings, GOOD)
    assert (session.session, session.split, session.row) == ("s1", "train", 2)
    assert session.subjects == ("anna", "bert")
    assert session.site == "mine"
    assert session.a.video == Path("videos/s1/a.mp4")
    assert session.a.audio == session.a.video
    assert [p.role_name for p in session.people] == ["a", "b"]


def test_optional_columns(settings):
    header = HEADER + " audio_a audio_b role_a role_b site"
    row = GOOD + " s1/a.wav _ expert novice NoXI"
    (session,) = read(settings, row.replace("_ ", "_\t"), header=header)
    assert session.a.audio == Path("videos/s1/a.wav")
    assert session.b.audio == session.b.video
    assert (session.a.role_name, session.b.role_name, session.site) == ("expert", "novice", "NoXI")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_comments_blank_lines_bom_and_windows_line_ends(settings, end, encoding):
    rows = ("# a remark", "", GOOD, "   ", "s2 auto s2/a.mp4 s2/b.mp4 cleo dora")
    sessions = read(settings, *rows, end=end, encoding=encoding)
    assert [(s.session, s.row) for s in sessions] == [("s1", 4), ("s2", 6)]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("_ train a.mp4 b.mp4 p q", ["row 2", "column session", "empty"]),
        ("s1 train a.mp4 b.mp4 _\tq", ["row 2", "column subject_a", "empty"]),
        ("s1 trian a.mp4 b.mp4 p q", ["column split", "'trian'", "did you mean train?"]),
        ("../s1 train a.mp4 b.mp4 p q", ["column session", "'../s1'", "letters"]),
        (".s1 train a.mp4 b.mp4 p q", ["column session", "not starting with '.'"]),
        (f"{'x' * 65} train a.mp4 b.mp4 p q", ["column session", "1 to 64"]),
        ("sé train a.mp4 b.mp4 p q", ["column session", "'sé'"]),
        ("s1 train a.mp4 b.mp4 p/x q", ["column subject_a", "'p/x'"]),
        ("s1 train ../a.mp4 b.mp4 p q", ["column video_a", "'../a.mp4'", "leave the corpus"]),
        ("s1 train x/../../a.mp4 b.mp4 p q", ["column video_a", "leave the corpus"]),
        ("s1 train /x/a.mp4 b.mp4 p q", ["column video_a", "absolute path"]),
        ("s1 train C:/a.mp4 b.mp4 p q", ["column video_a", "absolute path"]),
        ("s1 train x\\a.mp4 b.mp4 p q", ["column video_a", "backslashes"]),
        ("s1 train x{session}/a.mp4 b.mp4 p q", ["column video_a", "braces", "a link"]),
        ("s1 train a{1}.mp4 b.mp4 p q", ["column video_a", "braces"]),
        ("1.00E+05 train a.mp4 b.mp4 p q", ["'1.00E+05'", "format the column as text"]),
        ("1/2/2024 train a.mp4 b.mp4 p q", ["'1/2/2024'", "format the column as text"]),
        ("s1 train a.mp4 b.mp4 p q _\tmore", ["row 2", "found 8 cells", "accepted are 6"]),
        ("s1 train a.mp4 b.mp4 p p", ["subject_a, subject_b", "'p' in both"]),
        ("s1 train a.mp4 a.mp4 p q", ["column video_b", "same file as row 2, column video_a"]),
        ("s1 train a.mp4 b.mp4 p q more", ["row 2", "found 7 cells", "accepted are 6"]),
    ],
)
def test_bad_cell_is_named(settings, row, words):
    problem = only_problem(settings, row)
    for word in [*words, "sessions.tsv"]:
        assert word in problem


def test_trailing_cells_may_be_missing_but_not_required_ones(settings):
    assert "column subject_b: the cell is empty" in only_problem(settings, GOOD.rpartition(" ")[0])
    assert read(settings, GOOD, header=HEADER + " site")[0].site == "mine"


def test_what_spreadsheets_and_people_change_is_read(settings):
    header = "Session SPLIT video_a video_b subject_a subject_b _ site _ "
    (session,) = read(settings, "s1 Train a.mp4 b.mp4 p q _ Köln _ ", header=header)
    assert (session.session, session.split, session.site) == ("s1", "train", "Köln")


def test_text_in_a_column_without_a_name_is_told(settings):
    header = "session split video_a video_b subject_a subject_b _ site"
    problem = only_problem(settings, GOOD + " lost Köln", header=header)
    assert "row 2: found 'lost' in a column without a name" in problem


def test_near_names_are_questioned(settings):
    rows = (GOOD, "s01 test c.mp4 d.mp4 Anna q")
    session, subject = warnings_of(settings, *rows)
    assert "session 's01' is nearly 's1'" in session
    assert "subject 'Anna' is nearly 'anna'" in subject


def test_header_problems_come_together(settings):
    header = "session split video_a vdeo_b subject_a site site"
    problems = "\n".join(problems_of(settings, GOOD, header=header))
    assert "unknown column 'vdeo_b'; did you mean video_b?" in problems
    assert "column 'subject_b' is missing" in problems
    assert "column 'site' is there 2 times" in problems


def test_spaces_instead_of_tabs_are_recognised(settings):
    path = settings.root / "sessions.tsv"
    path.write_text(f"{HEADER}\n{GOOD}\n")
    with pytest.raises(InputError, match="separated by spaces"):
        read_sheet(path, settings, check_files=False)


def test_missing_empty_and_foreign_files(settings):
    path = settings.root / "sessions.tsv"
    with pytest.raises(InputError, match=r"sessions\.tsv: cannot be read"):
        read_sheet(path, settings, check_files=False)
    path.write_text("# nothing\n\n")
    with pytest.raises(InputError, match="it is empty"):
        read_sheet(path, settings, check_files=False)
    path.write_bytes(b"PK\3\4 an .xlsx file")
    with pytest.raises(InputError, match="save it as text"):
        read_sheet(path, settings, check_files=False)
    assert "no row under the header" in only_problem(settings)


def test_duplicate_session_names_case_aside(settings):
    problem = only_problem(settings, GOOD, "S1 train c.mp4 d.mp4 p q")
    assert "row 3, column session: found 'S1', which row 2 has as 's1'" in problem


def test_subject_in_two_splits(settings):
    rows = (GOOD, "s2 test c.mp4 d.mp4 anna q")
    problem = only_problem(settings, *rows)
    for word in ("subject anna", "s1 (row 2, train)", "s2 (row 3, test)"):
        assert word in problem


def test_every_mistake_at_once(settings, readable):
    rows = (
        "s1 train gone_a.mp4 ../b.mp4 p q",
        "s2 tset c.mp4 d.mp4 r s",
        "s2 test e.mp4 f.mp4 t u",
        "s3 val e.mp4 g.mp4 t v",
    )
    (settings.root / "videos" / "f.mp4").write_text("bad")
    for name in "eg":
        (settings.root / "videos" / f"{name}.mp4").touch()
    text = "\n".join(problems_of(settings, *rows, check_files=True))
    for word in (
        "'../b.mp4'",
        "'tset'",
        "column session: found 's2'",
        "subject t is in val and test",
        "same file as row 4",
        "no picture",
    ):
        assert word in text


# Files


def test_missing_files_and_folders(settings, readable):
    (settings.root / "videos" / "s1" / "b.mp4").mkdir(parents=True)
    first, second = problems_of(settings, GOOD, check_files=True)
    assert "row 2, column video_a: videos/s1/a.mp4: no such file" in first
    assert "row 2, column video_b: videos/s1/b.mp4: a folder" in second


def test_files_are_looked_at_only_when_asked(settings):
    assert len(read(settings, GOOD, check_files=False)) == 1


@pytest.mark.parametrize("hears", [True, False])
def test_what_each_file_must_hold(settings, readable, hears):
    settings = replace(settings, hears=hears)
    for name in ("a.mp4", "a.wav", "b.mp4"):
        (settings.root / "videos" / name).touch()
    read(
        settings,
        "s1 train a.mp4 b.mp4 p q a.wav",
        header=HEADER + " audio_a",
        check_files=True,
    )
    assert readable == {"a.mp4": (True, False), "a.wav": (False, hears), "b.mp4": (True, hears)}


def test_links_are_followed_and_the_same_file_behind_them_is_found(settings, readable, tmp_path):
    store = tmp_path / "elsewhere"
    store.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (store / name).touch()
        (settings.root / "videos" / name).symlink_to(store / name)
    assert read(settings, "s1 train a.mp4 b.mp4 p q", check_files=True)
    (settings.root / "videos" / "c.mp4").symlink_to(store / "a.mp4")
    problem = only_problem(settings, "s1 train a.mp4 c.mp4 p q", check_files=True)
    assert "same file as row 2, column video_a" in problem
    (store / "a.mp4").unlink()
    problem = only_problem(settings, "s1 train a.mp4 b.mp4 p q", check_files=True)
    assert "a link to" in problem


@pytest.mark.parametrize(("cell", "disk"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_accents_are_found_in_either_form(settings, readable, cell, disk):
    name = "Café/Gespräch a.mp4"
    path = settings.root / "videos" / unicodedata.normalize(disk, name)
    path.parent.mkdir()
    path.touch()
    (settings.root / "videos/b.mp4").touch()
    row = GOOD.replace("s1/a.mp4", unicodedata.normalize(cell, name).replace(" ", "~"))
    row = row.replace("s1/b.mp4", "b.mp4").replace(" ", "\t").replace("~", " ")
    sheet = settings.root / "sessions.tsv"
    sheet.write_text(HEADER.replace(" ", "\t") + "\n" + row + "\n")
    for check_files in (True, False):
        (session,) = read_sheet(sheet, settings, check_files=check_files)
        assert settings.root / session.a.video == path


def test_two_files_that_differ_in_form_alone_are_told_apart(settings, readable):
    for form in ("NFC", "NFD"):
        (settings.root / "videos" / unicodedata.normalize(form, "é.mp4")).touch()
    (session,) = read(settings, "s1 train é.mp4 b.mp4 p q")
    assert session.a.video.name == unicodedata.normalize("NFC", "é.mp4")


def test_a_wrong_root_is_told_once(settings, readable):
    rows = [f"s{i} train s{i}/a.mp4 s{i}/b.mp4 p{i} q{i}" for i in range(20)]
    (settings.root / "videos/talks/s0").mkdir(parents=True)
    assert "none of its 40 files is below" in only_problem(settings, *rows, check_files=True)
    (settings.root / "videos/talks/s0/a.mp4").touch()
    problem = only_problem(settings, *rows, check_files=True)
    assert "videos/s0/a.mp4" in problem
    assert "videos/talks: correct corpus.root" in problem


def test_a_name_in_other_capitals_is_found_and_told(settings, readable):
    (settings.root / "videos/s1").mkdir()
    for name in ("A.MP4", "b.mp4"):
        (settings.root / "videos/s1" / name).touch()
    problem = only_problem(settings, GOOD, check_files=True)
    assert "s1/a.mp4: no such file (but " in problem
    assert "s1/A.MP4: capitals count)" in problem


def test_files_and_folders_that_may_not_be_read(settings, readable, monkeypatch):
    (settings.root / "videos/s1").mkdir()
    for name in ("a.mp4", "s1/b.mp4"):
        (settings.root / "videos" / name).touch()
    closed = {settings.root / "videos/a.mp4", settings.root / "videos/s1"}
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) not in closed)  # root may all
    seen = Path.stat

    def stat(path, **options):
        if closed & set(path.parents):
            raise PermissionError(13, "Permission denied")
        return seen(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    row = GOOD.replace("s1/a.mp4", "a.mp4")
    file, folder = problems_of(settings, row, check_files=True)
    assert "column video_a: videos/a.mp4: it may not be read (permission denied)" in file
    assert "s1 may not be entered" in folder


def warnings_of(settings, *rows, **options):
    found = []
    read_sheet(write(settings, *rows, **options), settings, check_files=False, warnings=found)
    return found


def test_one_sound_file_for_both_is_allowed_with_a_warning(settings):
    header = HEADER + " audio_a audio_b"
    (warning,) = warnings_of(settings, GOOD + " s1/room.wav s1/room.wav", header=header)
    assert "row 2, column audio_b: the sound is that of row 2, column audio_a too" in warning


@pytest.mark.parametrize(
    ("a", "b", "shared"),
    [
        ("left _", "right _", True),
        ("_ 0,0,320,480", "_ 320,0,320,480", True),
        ("left 0,0,320,480", "left 320,0,320,480", True),
        ("left _", "left _", False),
        ("left _", "_ _", False),
        ("_ _", "_ _", False),
    ],
)
def test_a_video_of_both_needs_a_place_for_each(settings, a, b, shared):
    header = HEADER + " face_a crop_a face_b crop_b"
    row = f"s1 train s1/both.mp4 s1/both.mp4 anna bert {a} {b} "
    if shared:
        (warning,) = warnings_of(settings, row, header=header)
        assert "the sound is that of row 2, column video_a too" in warning
    else:
        problem = only_problem(settings, row, header=header)
        assert "same file as row 2, column video_a" in problem
        assert "crop_a" in problem


def test_one_video_may_serve_two_sessions(settings):
    header = HEADER + " face_a face_b"
    rows = [
        "s1 train top.mp4 low.mp4 anna bert left left",
        "s2 train top.mp4 low.mp4 cleo dora right right",
    ]
    assert len(warnings_of(settings, *rows, header=header)) == 2


def test_two_tracks_of_one_file_are_no_shared_sound(settings):
    header = HEADER + " face_a face_b audio_track_b"
    row = "s1 train both.mp4 both.mp4 anna bert left right 1"
    assert warnings_of(settings, row, header=header) == []


def test_demo_videos_may_be_missing_because_they_are_made(tmp_path):
    settings = load_settings({"models": {}}, tmp_path)
    rows = ("demo01 train demo01/a.mp4 demo01/b.mp4 p q", "demo99 train demo99/a.mp4 c.mp4 r s")
    problems = problems_of(settings, *rows, check_files=True)
    assert len(problems) == 2
    assert all("row 3" in problem for problem in problems)


def test_sheet_of_the_repository_fits_the_demo_corpus():
    from react24.corpora.demo.sessions import DEMO_SESSIONS

    settings = load_settings({}, REPOSITORY)
    sessions = read_sheet(settings.sheet, settings, check_files=False)
    assert [s.session for s in sessions] == list(DEMO_SESSIONS)
    for session in sessions:
        spec = DEMO_SESSIONS[session.session]
        assert session.subjects == tuple(spec.persons[role].subject for role in "ab")


def test_a_file_that_is_no_video_is_named(settings):
    (settings.root / "videos" / "s1").mkdir()
    for role in "ab":
        (settings.root / "videos" / "s1" / f"{role}.mp4").write_text("not a video at all")
    first, second = problems_of(settings, GOOD, check_files=True)
    assert "row 2, column video_a" in first
    assert "b.mp4" in second


# Configuration and sheet together


def test_problems_of_configuration_and_sheet_come_together(tmp_path):
    (tmp_path / "config").mkdir()
    sheet = "\t".join(HEADER.split()) + "\ns1\ttrian\ta.mp4\tb.mp4\tp\tq\n"
    (tmp_path / "config" / "sessions.tsv").write_text(sheet)
    with pytest.raises(InputErrors) as error:
        load_project({"models": {}, "faces": {"max_gpa": 1}}, tmp_path)
    first, second = error.value.problems
    assert "faces.max_gpa" in first
    assert "'trian'" in second


def test_auto_is_decided(tmp_path):
    (tmp_path / "config").mkdir()
    rows = [f"s{i}\tauto\ts{i}/a.mp4\ts{i}/b.mp4\tp{i}\tq{i}" for i in range(5)]
    sheet = "\n".join(["\t".join(HEADER.split()), *rows])
    (tmp_path / "config" / "sessions.tsv").write_text(sheet)
    project = load_project({"models": {}}, tmp_path, check=False)
    assert project.sizes() == {"train": 3, "val": 1, "test": 1}


def test_a_row_with_a_bad_path_still_counts_for_its_subjects(tmp_path):
    text = "session\tsplit\tvideo_a\tvideo_b\tsubject_a\tsubject_b\n"
    text += "one\ttrain\tone/a.mp4\tone/b.mp4\tanna\tbert\n"
    text += "two\ttest\t../x.mp4\ttwo/b.mp4\tanna\tcleo\n"
    path = tmp_path / "sessions.tsv"
    path.write_text(text)
    with pytest.raises(InputErrors) as caught:
        read_sheet(path, load_settings({}), check_files=False)
    found = "\n".join(caught.value.problems)
    assert "../x.mp4" in found
    assert "anna" in found
