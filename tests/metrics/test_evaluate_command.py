"""``react24 evaluate`` and ``react24 compare`` on small files."""

import json

import h5py
import numpy as np
import pytest
import torch
from helpers import official_factory as factory

from react24.cli.main import main
from react24.errors import InputError
from react24.metrics import evaluate, on_device
from react24.metrics.score_files import (
    METRICS,
    Resampling,
    ScoreOptions,
    evaluate_files,
)
from react24.metrics.summary import choose_metrics

REAL = on_device.DeviceTruth

OFFICIAL = ["FRCorr", "FRDist", "FRDiv", "FRVar", "FRDvs", "TLCC"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Official folder, predictions of two models, and the arrays behind the first."""
    folder = tmp_path_factory.mktemp("evaluate")
    behaviour = factory.react_behaviour(6)
    matrix = factory.write_official(folder / "data", behaviour)
    listener = np.roll(behaviour, -3, axis=0)
    reactions = factory.predict(listener)
    np.save(folder / "a.npy", reactions)
    np.save(folder / "b.npy", factory.predict(behaviour, seed=2))
    return folder, reactions, listener, behaviour, matrix


def run(words, capsys):
    status = main([str(word) for word in words])
    return status, capsys.readouterr()


def test_json_has_the_numbers_of_the_arrays(data, tmp_path, capsys):
    folder, *arrays = data
    words = ["evaluate", "--predictions", folder / "a.npy", "--data", folder / "data"]
    status, said = run([*words, "--split", "val", "--json", tmp_path / "out.json"], capsys)
    assert status == 0
    found = json.loads((tmp_path / "out.json").read_text())
    scores = evaluate(*arrays)
    assert list(found["official"]) == OFFICIAL
    assert found["official"] == scores.official
    corrected = {name: None if v != v else v for name, v in scores.corrected.items()}
    assert found["corrected"] == corrected
    assert (found["N"], found["S"], found["T"]) == (6, 3, 750)
    assert found["appropriate"].endswith("neighbour_emotion_val.npy")
    assert said.out.index("Official") < said.out.index("FRDist") < said.out.index("Corrected")
    assert f"{scores.official['FRDist']:.5g}" in said.out


def test_every_form_of_predictions_scores_the_same(data, tmp_path, capsys):
    folder, reactions, *_ = data
    np.savez_compressed(tmp_path / "a.npz", predictions=reactions)
    for j in range(3):
        for path, clip in zip(factory.speakers(), reactions, strict=True):
            file = tmp_path / "regnn" / "val" / path / f"result-{j}.pth"
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.save(torch.from_numpy(clip[j]), file)
            factory.write_csv(tmp_path / "csv" / path / f"result-{j}.csv", clip[j])
    found = []
    for form in (folder / "a.npy", tmp_path / "a.npz", tmp_path / "regnn", tmp_path / "csv"):
        words = ["evaluate", "--predictions", form, "--data", folder / "data", "--split", "val"]
        words += ["--metrics", "frdiv,TLCC,FRCorr", "--json", tmp_path / "out.json"]
        assert run(words, capsys)[0] == 0
        content = json.loads((tmp_path / "out.json").read_text())
        found.append((content["official"], content["corrected"], content["N"], content["S"]))
    assert list(found[0][0]) == ["FRCorr", "FRDiv", "TLCC"]
    assert all(other == found[0] for other in found)


def test_intervals_hold_the_numbers(data, tmp_path, capsys):
    folder, *_ = data
    words = ["evaluate", "--predictions", folder / "a.npy", "--data", folder / "data"]
    words += ["--split", "val", "--metrics", "FRDiv,FRVar,FRDvs", "--confidence", "0.9"]
    words += ["--resample", "clip", "--resamples", 300, "--samples", 2]
    status, said = run([*words, "--json", tmp_path / "out.json"], capsys)
    assert status == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["S"] == 2
    confidence = found["confidence"]
    assert (confidence["level"], confidence["groups"], confidence["seed"]) == (0.9, 3, 0)
    numbers = found["official"] | found["corrected"]
    assert confidence["intervals"].keys() == numbers.keys()
    for name, (low, high) in confidence["intervals"].items():
        assert low <= numbers[name] <= high
    assert "90 % bootstrap intervals over 3 clips" in said.out


def test_comparison_of_two_models(data, tmp_path, capsys):
    folder, *_ = data
    words = ["compare", folder / "a.npy", folder / "b.npy", "--data", folder / "data"]
    words += ["--split", "val", "--metrics", "FRCorr,FRVar", "--resample", "clip"]
    status, said = run([*words, "--resamples", 200, "--json", tmp_path / "out.json"], capsys)
    assert status == 0
    found = json.loads((tmp_path / "out.json").read_text())["differences"]
    assert list(found) == ["FRCorr", "FRCorr_mean", "FRCorr_exact_mean", "FRVar"]
    assert found["FRCorr"]["difference"] > 0  # the first is made from the truth
    assert found["FRCorr"]["p"] == pytest.approx(2 / 8)  # 3 clips can be swapped in 8 ways
    assert "A - B" in said.out
    status, said = run(words[:3], capsys)
    assert status == 1
    assert "a.npy: not a metrics file; predictions are compared with --data" in said.err


def write_metrics(path, values, samples=3, space="native"):
    from helpers.clips_factory import clips_index

    from react24.files import contract

    with contract.create(path, schema="metrics", created_by="test") as file:
        file.attrs.update(samples=samples, split="val", space=space, appropriate_source="test")
        file.create_group("official")
        file.create_group("corrected")
        clips = file.create_group("clips")
        clips["FRDist"] = values
        clips["FRDvs"] = 2 * values
        clips["TLCC_offset"] = np.full((6, samples), -3)
        clips["TLCC_defined_offset"] = np.full((6, samples), -3)
        clips["TLCC_is_defined"] = np.ones((6, samples), bool)
        file["index"] = clips_index(3)


def test_comparison_of_metrics_files(tmp_path, capsys):
    a, b = tmp_path / "a.h5", tmp_path / "b.h5"
    values = np.arange(6.0)
    write_metrics(a, values)
    write_metrics(b, values + np.tile([1, 2, 3], 2))
    words = ["compare", a, b, "--resample", "clip", "--json", tmp_path / "out.json"]
    assert run(words, capsys)[0] == 0
    found = json.loads((tmp_path / "out.json").read_text())["differences"]
    assert found["FRDist"]["difference"] == pytest.approx(-2)
    assert found["FRDist_mean"]["difference"] == pytest.approx(-2 / 3)
    assert found["FRDvs"]["difference"] == pytest.approx(-4)
    assert (found["TLCC"]["difference"], found["TLCC"]["p"]) == (0, 1)
    write_metrics(b, values, samples=2)
    _, said = run(words, capsys)
    assert "a.h5 has 3 samples per clip" in said.err
    assert "--samples 2" in said.err
    write_metrics(b, values, space="session_zscore")
    assert "b.h5 in session_zscore" in run(words, capsys)[1].err
    with h5py.File(a, "r+") as file:
        del file["index"]
    assert "rerun score_reactions" in run(words, capsys)[1].err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--metrics", "FRCor"], "unknown metric 'FRCor'"),
        (["--metrics", ","], "no metric was named"),
        (["--samples", "9"], "has 3 samples per clip"),
        (["--split", "test"], "folder with test.csv"),
        (["--predictions", "nowhere"], "nowhere: no such file"),
        (["--confidence", "95"], "confidence level 95"),
        (["--device", "cuda:99"], "device 'cuda:99' cannot be used"),
        (["--device", "cuda:99", "--metrics", "FRDist"], "device 'cuda:99' cannot be used"),
    ],
)
def test_bad_requests_are_refused(data, capsys, words, message):
    folder, *_ = data
    start = ["evaluate", "--predictions", folder / "a.npy", "--data", folder / "data"]
    status, said = run([*start, "--split", "val", *words], capsys)
    assert status == 1
    assert message in said.err


@pytest.mark.parametrize("metrics", [METRICS, ("FRCorr", "FRDist")])
def test_a_device_gives_the_same_numbers(data, metrics, monkeypatch):
    folder, *_ = data
    files = folder / "a.npy", folder / "data", "val"
    plain = evaluate_files(*files, options=ScoreOptions(metrics))
    moved = []
    monkeypatch.setattr(
        on_device, "DeviceTruth", lambda *given: moved.append(given) or REAL(*given)
    )
    found = evaluate_files(*files, options=ScoreOptions(metrics, device="cpu"))
    assert len(moved) == 1
    assert found.official == pytest.approx(plain.official, rel=1e-7)


def test_names_of_metrics():
    assert choose_metrics(None) == tuple(OFFICIAL)
    assert choose_metrics(["tlcc", "FRVar"]) == ("FRVar", "TLCC")
    with pytest.raises(InputError, match="did you mean FRCorr"):
        choose_metrics(["FRCorrr"])
    with pytest.raises(InputError, match="accepted: session, clip"):
        Resampling(0.95, by="frame")
