"""Sheets as spreadsheets and people save them: read, or told by row; never a row less."""

import pytest

from react24.errors import InputError
from react24.project.sheet_text import read_text

COLUMNS = ("session", "video_a", "site")
HEADER = "session\tvideo_a\tsite"
ROWS = (["talk01", "a/ä.mp4", "Köln"], ["talk02", "b.mp4", "Bonn"])
PLAIN = "\n".join([HEADER, *map("\t".join, ROWS)]) + "\n"


@pytest.fixture
def take_apart(tmp_path):
    def run(text, encoding="utf-8"):
        path = tmp_path / "s.tsv"
        path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
        return read_text(path, COLUMNS)

    return run


def cells(sheet):
    return [row for _, row in sheet.rows[1:]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_and_line_ends(take_apart, encoding, end):
    sheet = take_apart(PLAIN.replace("\n", end), encoding)
    assert cells(sheet) == list(ROWS)
    assert not sheet.problems
    assert not sheet.warnings


@pytest.mark.parametrize(
    ("encoding", "end", "name"),
    [("cp1252", "\r\n", "Windows-1252"), ("mac_roman", "\r", "Macintosh")],
)
def test_older_encodings_are_read_with_a_question(take_apart, encoding, end, name):
    sheet = take_apart(PLAIN.replace("\n", end), encoding)
    assert cells(sheet) == list(ROWS)
    (warning,) = sheet.warnings
    for word in ("row 2", name, "'a/ä.mp4'", "'Köln'"):
        assert word in warning


def test_bytes_of_no_encoding_are_told_by_row(take_apart):
    with pytest.raises(InputError, match="row 3: byte"):
        take_apart(PLAIN.encode("ascii", "replace").replace(b"Bonn", b"B\x81nn"))


@pytest.mark.parametrize("separator", ["\t", ";", ","])
def test_separators(take_apart, separator):
    text = PLAIN.replace("\t", separator).replace("b.mp4", f'"b{separator}1.mp4"')
    sheet = take_apart(text)
    assert sheet.separator == separator
    assert cells(sheet)[1] == ["talk02", f"b{separator}1.mp4", "Bonn"]


@pytest.mark.parametrize("separator", ["\t", ";", ","])
def test_an_empty_cell_beside_a_quoted_one_stays(take_apart, separator):
    rows = ['"s1"||Köln', '|"v"|Bonn', '"s3" |"v"|', '"s4\na"|"v\nb"|Ulm']
    text = "\n".join([HEADER.replace("\t", separator), *rows]).replace("|", separator)
    sheet = take_apart(text)
    assert not sheet.problems
    assert cells(sheet) == [
        ["s1", "", "Köln"],
        ["", "v", "Bonn"],
        ["s3", "v", ""],
        ["s4 a", "v b", "Ulm"],
    ]


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;"])
def test_a_line_that_names_the_separator(take_apart, line):
    sheet = take_apart(f"{line}\n" + PLAIN.replace("\t", ";"))
    assert sheet.separator == ";"
    assert cells(sheet) == list(ROWS)


def test_separated_by_blanks(take_apart):
    with pytest.raises(InputError, match="separated by spaces"):
        take_apart(PLAIN.replace("\t", "  "))


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ('"Köln\nSüd"', "Köln Süd"),
        ('"Köln\n\n\nSüd"', "Köln Süd"),
        ('"Köln\r\nSüd"', "Köln Süd"),
        ('"the ""old""\nsite"', 'the "old" site'),
        ('"Köln"', "Köln"),
        ('"say ""hi"""', 'say "hi"'),
        ('"Köln', '"Köln'),
        ('Köln"', 'Köln"'),
        ('Kö"ln', 'Kö"ln'),
        ('"Kö"ln', '"Kö"ln'),
        ('"Kö"ln"', '"Kö"ln"'),
        ('"', '"'),
        ('""', ""),
        ("\u00a0Köln\u200b ", "Köln"),
        ("Ko\u0308ln", "Köln"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("row", [0, 1])
def test_a_cell_is_read_and_no_row_is_lost(take_apart, cell, read, place, row):
    rows = [list(r) for r in ROWS]
    expected = [list(r) for r in ROWS]
    rows[row][place], expected[row][place] = cell, read
    sheet = take_apart("\n".join([HEADER, *map("\t".join, rows)]) + "\n")
    assert not sheet.problems
    assert cells(sheet) == expected
    assert [number for number, _ in sheet.rows] == [1, 2, 3]


@pytest.mark.parametrize("separator", ["\t", ";"])
def test_two_lone_quotation_marks_swallow_nothing(take_apart, separator):
    rows = [f's{i}{separator}v{separator}"Köln' for i in range(3)]
    text = "\n".join([HEADER.replace("\t", separator), *rows])
    assert cells(take_apart(text)) == [[f"s{i}", "v", '"Köln'] for i in range(3)]


def test_a_quotation_mark_that_might_enclose_rows_is_told(take_apart):
    rows = ['s1\tv\t"Köln', "s2\tv\tBonn", 's3\tv\tNord"', "s4\tv\tUlm"]
    sheet = take_apart("\n".join([HEADER, *rows]))
    (problem,) = sheet.problems
    assert problem.startswith("row 2: a cell starts with a quotation mark")
    assert "perhaps 2 line(s) below" in problem
    assert cells(sheet) == [["s4", "v", "Ulm"]]


def test_remarks_and_emptied_rows(take_apart):
    text = f'# a "remark\n{HEADER}\n\t\t\t\n;;\n#x\tit\'s\t"open\ns1\tv\tKöln\n\t\t\n'
    assert cells(take_apart(text.replace(";;", "\u00a0\t"))) == [["s1", "v", "Köln"]]


def test_a_name_that_a_spreadsheet_took_for_a_formula_is_no_remark(take_apart):
    sheet = take_apart(f"{HEADER}\n#NAME?\tv\tKöln\ns1\tv\tBonn\n")
    assert "row 2: found '#NAME?'" in sheet.problems[0]
    assert cells(sheet) == [["s1", "v", "Bonn"]]
