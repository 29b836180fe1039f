from dataclasses import dataclass

import pytest

from react24.errors import InputErrors
from react24.project.splits import assign_splits, conflicts, group_sessions

RATIOS = {"train": 0.6, "val": 0.2, "test": 0.2}


@dataclass(frozen=True)
class Row:
    session: str
    split: str
    subjects: tuple[str, str]
    row: int = 0


def make(*rows):
    return [Row(name, split, tuple(subjects.split())) for name, split, subjects in rows]


def splits_of(sessions, **options):
    settings = {"ratios": RATIOS, "seed": 0, **options}
    return {s.session: s.split for s in assign_splits(sessions, **settings)}


def independent(n):
    return make(*((f"s{i:02}", "auto", f"p{i} q{i}") for i in range(n)))


def test_explicit_splits_stay_whatever_the_ratios():
    sessions = make(("s1", "test", "a b"), ("s2", "test", "c d"), ("s3", "val", "e f"))
    assert splits_of(sessions) == {"s1": "test", "s2": "test", "s3": "val"}


def test_ratios_are_met_where_sessions_are_independent():
    values = list(splits_of(independent(20)).values())
    assert [values.count(n) for n in ("train", "val", "test")] == [12, 4, 4]


def test_order_of_rows_does_not_matter():
    sessions = independent(17)
    assert splits_of(sessions) == splits_of(sessions[::-1])


def test_result_keeps_the_order_of_rows():
    sessions = independent(5)[::-1]
    assert [s.session for s in assign_splits(sessions, RATIOS, 0)] == [s.session for s in sessions]


def test_seed_decides_and_same_seed_repeats():
    sessions = independent(20)
    assert splits_of(sessions, seed=1) == splits_of(sessions, seed=1)
    assert len({tuple(splits_of(sessions, seed=seed).values()) for seed in range(5)}) > 1


def test_sessions_linked_through_others_stay_together():
    chain = make(*((f"c{i}", "auto", f"p{i} p{i + 1}") for i in range(4)))
    found = splits_of(chain + independent(10))
    assert len({found[f"c{i}"] for i in range(4)}) == 1
    assert [g.size for g in group_sessions(chain)] == [4]


def test_auto_follows_an_explicit_session_of_its_group():
    sessions = make(("s1", "test", "a b"), ("s2", "auto", "b c"), ("s3", "auto", "c d"))
    assert set(splits_of(sessions, ratios={"train": 1.0}).values()) == {"test"}


def test_each_wanted_split_gets_a_group_where_possible():
    assert sorted(splits_of(independent(3)).values()) == ["test", "train", "val"]
    skewed = {"train": 0.98, "val": 0.01, "test": 0.01}
    assert {"train", "val", "test"} <= set(splits_of(independent(5), ratios=skewed).values())


def test_a_split_with_ratio_zero_gets_nothing():
    found = splits_of(independent(9), ratios={"train": 0.5, "val": 0.0, "test": 0.5})
    assert "val" not in found.values()


def test_largest_group_goes_to_the_largest_share():
    big = make(*((f"b{i}", "auto", f"host guest{i}") for i in range(6)))
    found = splits_of(big + independent(4))
    assert {found[f"b{i}"] for i in range(6)} == {"train"}


def test_subject_in_two_splits_is_named_with_sessions_and_rows():
    sessions = [
        Row("s1", "train", ("anna", "bert"), 2),
        Row("s2", "test", ("anna", "cleo"), 3),
        Row("s3", "train", ("dora", "anna"), 7),
    ]
    with pytest.raises(InputErrors) as error:
        assign_splits(sessions, RATIOS, 0)
    (problem,) = error.value.problems
    for word in ("subject anna", "train and test", "s1 (row 2, train)", "s2 (row 3", "s3 (row 7"):
        assert word in problem


def test_an_auto_session_between_two_splits_is_an_error():
    sessions = make(("s1", "train", "a b"), ("s2", "auto", "b c"), ("s3", "test", "c d"))
    (problem,) = conflicts(sessions)
    assert "s1" in problem
    assert "s2" in problem
    assert "train and test" in problem


def test_an_empty_split_that_is_needed_is_an_error_by_name():
    with pytest.raises(InputErrors, match="split test: no session") as error:
        assign_splits(independent(1), RATIOS, 0, needed=("train", "test"))
    assert len(error.value.problems) == 1


def test_no_sessions_and_nothing_needed():
    assert assign_splits([], RATIOS, 0) == []
