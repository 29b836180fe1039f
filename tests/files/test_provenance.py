"""Recipes: when two are equal, how files carry them, and what is told where they differ."""

import os
from pathlib import Path

import pytest

from react24.files import carriers, contract, provenance
from react24.files.provenance import Recipe, declaring, differences

MADE = Recipe(
    "extract_mfcc",
    code="c0de",
    settings={"max_gap": 12, "wildcards": {"session": "s1"}},
    made_from={"results/faces/s1.h5": "aaaa", "video_a": "a.mp4, 7 bytes"},
)


def changed(**parts):
    return Recipe(**(MADE.to_json() | parts))


def write(path):
    with contract.create(path, schema="truth", created_by="test") as file:
        file.attrs["value"] = 1


def test_equal_recipes_have_equal_stamps_whatever_the_order():
    same = changed(
        settings={"wildcards": {"session": "s1"}, "max_gap": 12},
        made_from=dict(reversed(MADE.made_from.items())),
    )
    assert same.stamp == MADE.stamp
    assert len(MADE.stamp) == 16
    assert Recipe.from_json(MADE.to_json()) == MADE


def test_the_name_of_a_rule_is_not_in_the_stamp():
    assert changed(rule="module_extract_mfcc").stamp == MADE.stamp


@pytest.mark.parametrize(
    "parts",
    [
        {"code": "other"},
        {"settings": MADE.settings | {"max_gap": 13}},
        {"made_from": MADE.made_from | {"results/faces/s1.h5": "bbbb"}},
        {"made_from": {"results/faces/s1.h5": "aaaa"}},
    ],
)
def test_every_part_is_in_the_stamp(parts):
    assert changed(**parts).stamp != MADE.stamp


def test_values_are_kept_as_json_gives_them_back():
    recipe = Recipe("r", "c", {"path": Path("a/b"), "pair": (1, 2), "names": {"b", "a"}})
    assert recipe.settings == {"path": "a/b", "pair": [1, 2], "names": ["a", "b"]}
    with pytest.raises(TypeError, match="object at"):
        Recipe("r", "c", {"thing": object()})


def test_a_file_carries_the_declared_recipe_and_none_without_one(tmp_path):
    write(tmp_path / "without.h5")
    with declaring(MADE):
        write(tmp_path / "with.h5")
    write(tmp_path / "after.h5")
    assert carriers.read_recipe(tmp_path / "with.h5") == MADE
    assert carriers.read_stamp(tmp_path / "with.h5") == MADE.stamp
    assert carriers.is_made_by(tmp_path / "with.h5", MADE)
    assert not carriers.is_made_by(tmp_path / "with.h5", changed(code="other"))
    for name in ("without.h5", "after.h5", "missing.h5"):
        assert carriers.read_carried(tmp_path / name) == (None, None)
        assert not carriers.is_made_by(tmp_path / name, MADE)


def test_a_damaged_file_carries_none(tmp_path):
    with declaring(MADE):
        write(tmp_path / "a.h5")
    whole = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(whole[: len(whole) // 2])
    assert carriers.read_stamp(tmp_path / "a.h5") is None


def test_tables_have_a_recipe_beside_them(tmp_path):
    table = tmp_path / "metrics.tsv"
    table.write_text("a\n")
    carriers.write_beside(table, MADE)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".metrics.tsv.recipe",
        "metrics.tsv",
    ]
    assert carriers.read_carried(table) == (MADE, MADE.stamp)


def test_a_recipe_is_replaced_and_nothing_else(tmp_path):
    path, new = tmp_path / "a.h5", changed(code="new")
    with declaring(MADE):
        write(path)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    carriers.replace_recipe(path, new)
    assert carriers.read_carried(path) == (new, new.stamp)
    assert path.stat().st_mtime == 1_000_000_000
    with contract.open_file(path, "truth") as file:
        assert file.attrs["value"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_what_carries_speaks_for_what_cannot():
    demo = ["demo/s1/a.mp4", "demo/s1/truth.h5"]
    assert list(carriers.carriers(demo)) == ["demo/s1/truth.h5"]
    weights = "results/models/m/seed0/vae/model.safetensors"
    assert carriers.carrier(weights).name == "model.json"
    tables = ["t/m.tsv", "t/m.md"]
    assert [str(p) for p in carriers.carriers(tables).values()] == [
        "t/.m.tsv.recipe",
        "t/.m.md.recipe",
    ]


def test_files_from_outside_are_named_without_their_folder(tmp_path):
    (tmp_path / "there").mkdir()
    for folder in (tmp_path, tmp_path / "there"):
        (folder / "a.mp4").write_bytes(b"1234567")
        assert provenance.outside(folder / "a.mp4") == "a.mp4, 7 bytes"


def test_differences_are_told():
    assert differences(MADE, MADE) == []
    now = changed(
        code="other",
        settings={"max_gap": 13, "wildcards": {"session": "s1"}, "new": True},
        made_from={"results/faces/s1.h5": "bbbb", "audio_a": "a.wav, 9 bytes"},
    )
    assert differences(MADE, now) == [
        "code of extract_mfcc",
        "max_gap: 12 -> 13",
        "new: nothing -> true",
        "other inputs: now with audio_a and without video_a",
        "made from another results/faces/s1.h5",
    ]
