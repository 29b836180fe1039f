import json

import h5py
import numpy as np
import pytest

from react24.cli.main import main
from react24.conventions import EMOTION_NAMES
from react24.files import contract, provenance, ranges
from react24.files.describe import describe
from react24.training import export
from react24.training.record import History

RECIPE = provenance.Recipe(
    "extract_graphau",
    code="c" * 64,
    settings={"settings": {"backend": "landmarks"}, "wildcards": {"session": "s1"}},
    made_from={f"results/faces/s{i:02d}.h5": f"{i:016d}" for i in range(20)},
)


def write_features(path, values, valid):
    features = contract.Features(values, valid, ("one", "two"), "graphau", "landmarks", True)
    with provenance.declaring(RECIPE):
        contract.write_features(path, {"a": features}, subjects={"a": "anna"}, created_by="x")


@pytest.mark.parametrize("block", [1, 7, ranges.BLOCK])
def test_ranges_are_those_of_the_valid_frames(tmp_path, monkeypatch, block):
    monkeypatch.setattr(ranges, "BLOCK", block)
    rng = np.random.default_rng(0)
    values, valid = rng.normal(size=(5, 40, 3)).astype(np.float32), rng.random((5, 40)) < 0.6
    values[0, 0], valid[0, 0] = 1000, False
    with h5py.File(tmp_path / "x.h5", "w") as file:
        found = ranges.measure(file.create_dataset("x", data=values), valid)
    kept = values[valid].astype(np.float64)
    np.testing.assert_array_equal(found.low, kept.min(0))
    np.testing.assert_array_equal(found.high, kept.max(0))
    np.testing.assert_allclose(found.mean, kept.mean(0), rtol=1e-12)
    assert (found.counted, found.rows, found.odd) == (len(kept), 200, 0)
    assert f"in {len(kept)} valid of 200 rows" in found.summary()


def test_values_that_are_not_finite_are_counted_and_left_out(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        found = ranges.measure(file.create_dataset("x", data=[1.0, np.nan, 3.0, np.inf]))
        nothing = ranges.measure(file.create_dataset("y", data=np.full((2, 2), np.nan)))
        none = ranges.measure(file.create_dataset("z", data=np.ones((2, 2))), np.zeros(2, bool))
    assert found.summary() == "min 1, mean 2, max 3 in 4 values, 2 not finite"
    assert nothing.summary() == "no values in 2 rows, 4 not finite"
    assert none.summary() == "no values in 0 valid of 2 rows"


def test_features_are_told_with_ranges_validity_and_recipe(tmp_path, capsys):
    path = tmp_path / "s1.h5"
    write_features(path, np.float32([[0, 5], [1, 7], [9, 9]]), np.array([True, True, False]))
    assert main(["show", str(path)]) == 0
    told = capsys.readouterr().out
    assert "a/features: float32 (3, 2)  min 0, mean 3.25, max 7 in 2 valid of 3 rows" in told
    assert "a/valid: bool (3,)  true in 66.7 %" in told
    assert f"stamp {RECIPE.stamp}: rule extract_graphau, code cccccccccccc\n" in told
    assert "    settings.backend = landmarks" in told
    assert "    from results/faces/s11.h5: 0000000000000011\n" in told
    assert "from results/faces/s12.h5" not in told
    assert "and 8 more" in told
    assert "@recipe" not in told
    assert main(["show", "--columns", str(path)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["two", "5", "6", "7"] in rows


def test_columns_of_reactions_have_the_names_of_the_stream(tmp_path):
    path = tmp_path / "s.h5"
    with contract.create(path, schema="samples", created_by="x") as file:
        file["emotion"] = np.broadcast_to(np.arange(25, dtype=np.float32), (2, 1, 3, 25))
    rows = [line.split() for line in describe(path, columns=True).splitlines()]
    for number, name in enumerate(EMOTION_NAMES):
        assert [name, *[str(number)] * 3] in rows


def test_notices_and_courses_are_told(tmp_path):
    path = tmp_path / "m.h5"
    with contract.create(path, schema="media", created_by="x") as file:
        notices = [{"kind": "sound.silent", "message": f"number {i}"} for i in range(14)]
        file["notices"] = json.dumps(notices)
    told = describe(path)
    assert "notices: 14\n    sound.silent: number 0\n" in told
    assert told.endswith("and 2 more")
    assert "recipe: none" in told
    path = tmp_path / "h.h5"
    with contract.create(path, schema="history", created_by="x") as file:
        file["train/loss"], file["train/step"] = [3.0, 1.0, 2.0], [1, 2, 3]
    told = describe(path)
    assert "train/loss: float64 (3,)  3 -> 2, lowest 1" in told
    assert "train/step: int64 (3,)  min 1, mean 2, max 3" in told


def test_a_trained_stage_is_told_by_its_folder(tmp_path, capsys):
    from torch import nn

    folder = tmp_path / "vae"
    with provenance.declaring(RECIPE):
        export.write_model(
            folder,
            nn.Linear(3, 2),
            model="belfusion",
            stage="vae",
            seed=4,
            pretrained=False,
            config={"vae": {"epochs": 3}},
            inputs={"train_graphau": "a" * 64},
            created_by="train_belfusion_vae",
        )
        history = History()
        history.add("train", 1, 0, {"loss": 0.5})
        history.add("train", 2, 1, {"loss": 0.25})
        history.write(folder / "history.h5", created_by="x", config={}, inputs={})
    for path in (folder, folder / "model.json"):
        assert main(["show", str(path)]) == 0
        told = capsys.readouterr().out
        assert f"{folder}: stage vae of belfusion, seed 4, 8 parameters\n" in told
        for line in (
            f"stamp {RECIPE.stamp}: rule",
            "pretrained = False",
            "vae.epochs = 3",
            f"from train_graphau: sha256 {'a' * 64}",
            "train loss: 0.5 -> 0.25, lowest 0.25",
        ):
            assert f"  {line}" in told


def test_the_recipe_beside_a_table_is_told(tmp_path):
    from react24.files.carriers import write_beside

    table = tmp_path / "metrics_test.tsv"
    table.write_text("model\n")
    write_beside(table, RECIPE)
    assert describe(table).splitlines()[0] == f"{table}: 6 bytes"
    assert f"stamp {RECIPE.stamp}" in describe(table)


def test_what_is_no_model_is_refused(tmp_path, capsys):
    assert main(["show", str(tmp_path)]) == 1
    (tmp_path / "model.json").write_text("{}")
    assert main(["show", str(tmp_path)]) == 1
    (tmp_path / "model.json").write_text("{")
    assert main(["show", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    for words in ("model.json: no such file", "no model of react24", "not JSON"):
        assert words in told
