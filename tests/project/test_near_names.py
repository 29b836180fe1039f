import pytest

from react24.project.near_names import question_names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("anna", "Anna"),
        ("01", "1"),
        ("p007", "p7"),
        ("1.10", "1.1"),
        ("s_1", "s-01"),
        ("anna.", "anna"),
        ("true", "TRUE"),
    ],
)
def test_a_slip_is_questioned(one, other):
    (question,) = question_names("subject", [(2, one), (3, other), (4, other)])
    for word in ("row 3", repr(one), repr(other), "row 2", "the same person"):
        assert word in question


@pytest.mark.parametrize(
    ("one", "other"),
    [("anna", "anne"), ("1", "11"), ("1.1", "11"), ("s1", "s10"), ("s1-1", "s11"), ("a", "a")],
)
def test_other_names_are_not(one, other):
    assert question_names("subject", [(2, one), (3, other)]) == []


def test_sessions_that_differ_in_case_are_refused_elsewhere():
    assert question_names("session", [(2, "s1"), (3, "S1")]) == []
    assert len(question_names("session", [(2, "s1"), (3, "s01")])) == 1
