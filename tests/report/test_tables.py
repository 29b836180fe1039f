import csv

import numpy as np
import pytest

from react24.files import contract
from react24.files.contract import StoreError
from react24.report import tables


def write_metrics(
    folder,
    model,
    seed,
    frcorr,
    *,
    lag=10.0,
    pretrained=True,
    samples=5,
    split="test",
    variant="",
    frdist=0.25,
    backend="landmarks",
):
    path = folder / model / f"seed{seed}" / f"{split}.h5"
    with contract.create(path, schema="metrics", created_by="score_reactions") as file:
        settings = dict(model=model, seed=seed, split=split, space="native", samples=samples)
        settings |= dict(clips=4, pretrained=pretrained, variant=variant, backend=backend)
        settings |= dict(appropriate_source="nearest speakers")
        file.attrs.update(settings)
        official = dict.fromkeys(tables.METRICS, 0.25) | {"FRCorr": frcorr, "TLCC": lag}
        official["FRDist"] = frdist
        file.create_group("official").attrs.update(official)
        file.create_group("corrected").attrs.update({"FRCorr_per_sample": frcorr / samples})
    return path


@pytest.fixture
def paths(tmp_path):
    return [
        write_metrics(tmp_path, "belfusion", 0, 1.0),
        write_metrics(tmp_path, "belfusion", 1, 3.0),
        write_metrics(tmp_path, "MeanFr", 0, 0.0, lag=49.0, pretrained=False),
        write_metrics(tmp_path, "MeanFr", 1, 0.0, lag=49.0, pretrained=False),
    ]


def test_mean_and_standard_deviation_over_seeds(paths):
    table = tables.collect_table(paths)
    assert [*table.models.index] == ["belfusion", "MeanFr"]
    assert table.mean.loc["belfusion", "FRCorr"] == pytest.approx(2.0)
    assert table.std.loc["belfusion", "FRCorr"] == pytest.approx(2**0.5)
    assert table.corrected == ["FRCorr_per_sample"]
    assert table.mean.loc["belfusion", "FRCorr_per_sample"] == pytest.approx(0.4)
    assert table.models.loc["belfusion", "seeds"] == (0, 1)


def test_an_undefined_seed_makes_the_mean_undefined(tmp_path):
    paths = [write_metrics(tmp_path, "belfusion", seed, x) for seed, x in enumerate((1.0, np.nan))]
    table = tables.collect_table(paths)
    assert np.isnan(table.mean.loc["belfusion", "FRCorr"])
    assert "| belfusion‡ | undefined |" in tables.format_md(table)


def test_a_seed_that_is_there_twice_is_refused(paths, tmp_path):
    other = write_metrics(tmp_path / "other", "belfusion", 1, 5.0)
    with pytest.raises(StoreError, match="same model and seed"):
        tables.collect_table([*paths, other])


@pytest.mark.parametrize(
    ("backend", "marked"), [("landmarks", True), ("blendshapes", True), ("reference", False)]
)
def test_stand_ins_are_marked(tmp_path, backend, marked):
    path = write_metrics(tmp_path, "belfusion", 0, 1.0, backend=backend)
    table = tables.collect_table([path])
    assert [*table.models["marked"]] == [f"belfusion{'‡' if marked else ''}"]
    notes = [note for note in tables._notes(table) if note.startswith("‡") and backend in note]
    assert len(notes) == marked


def test_three_forms(paths, tmp_path):
    tsv, md, tex = (tmp_path / f"t.{suffix}" for suffix in ("tsv", "md", "tex"))
    tables.tabulate_metrics(paths, tsv=tsv, md=md, tex=tex)
    rows = list(csv.DictReader(tsv.open(encoding="utf-8"), delimiter="\t"))
    ours = [r for r in rows if r["source"] == "react24"]
    published = [r for r in rows if r["source"] == "published"]
    assert [r["model"] for r in ours] == ["belfusion", "MeanFr"]
    assert float(ours[0]["FRCorr"]) == 2.0
    assert float(ours[1]["TLCC_seconds"]) == pytest.approx(1.96)
    assert ours[1]["pretrained"] == "false"
    assert {r["model"]: r["FRDist"] for r in published}["BeLFusion"] == "75.00"
    text = md.read_text(encoding="utf-8")
    assert "| belfusion‡ | 2.000 ± 1.414 |" in text
    assert "| MeanFr†‡ |" in text
    assert "| 49.00 (1.96 s) |" in text
    assert "RANDOM weights" in text
    assert "not the official ones. nearest speakers." in text
    assert ours[0]["appropriate"] == "stand-in"
    assert "S = 5 reactions each" in text
    assert {row["FRRea"] for row in rows} == {""}
    assert "(1.96 s) | – |" in text
    assert "FRRea compares rendered with real frames and is empty" in text
    ours_part, published_part = text.split("## Published")
    assert "0.137" in published_part
    assert "0.137" not in ours_part
    assert r"$\pm$" in tex.read_text(encoding="utf-8")


def test_one_seed_has_no_deviation(tmp_path):
    paths = [write_metrics(tmp_path, name, 0, 2.0) for name in ("belfusion", "Random")]
    tsv, md, tex = (tmp_path / f"one.{suffix}" for suffix in ("tsv", "md", "tex"))
    tables.tabulate_metrics(paths, tsv=tsv, md=md, tex=tex)
    ours = md.read_text(encoding="utf-8").partition("## Published")[0]
    assert "±" not in ours
    assert "seed 0, scored" in ours
    with tsv.open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file, delimiter="\t"))
    assert (row["FRCorr"], row["FRCorr_std"]) == ("2", "")


def test_no_random_mark_when_all_is_pretrained(paths, tmp_path):
    tsv, md, tex = (tmp_path / f"t.{suffix}" for suffix in ("tsv", "md", "tex"))
    tables.tabulate_metrics(paths[:2], tsv=tsv, md=md, tex=tex)
    assert "†" not in md.read_text(encoding="utf-8")


def test_different_sample_counts_are_not_mixed(paths, tmp_path):
    other = write_metrics(tmp_path, "GT", 0, 5.0, samples=10)
    with pytest.raises(StoreError, match="different samples"):
        tables.collect_table([*paths, other])


def test_published_figures_are_complete():
    published = tables.read_published()
    assert (published[["FRCorr", "FRDist", "FRVar", "FRDvs", "TLCC"]].astype(float) > 0).all(
        axis=None
    )


def test_undefined_values_are_said_to_be_so(tmp_path):
    path = write_metrics(tmp_path, "MeanFr", 0, float("nan"))
    text = tables.format_md(tables.collect_table([path]))
    assert "| MeanFr‡ | undefined |" in text


def test_margins_over_the_baselines(tmp_path):
    def score(model, seed, frcorr, frdist, variant="baseline"):
        return write_metrics(tmp_path, model, seed, frcorr, frdist=frdist, variant=variant)

    paths = [
        score("regnn", 0, 0.5, 30.0, "fixed"),
        score("regnn", 1, 0.3, 40.0, "fixed"),
        score("Random", 0, 0.1, 120.0),
        score("Random", 1, 0.2, 130.0),
        score("GT", 0, 5.0, 0.0),
        score("GT", 1, 5.0, 0.0),
    ]
    table = tables.collect_table(paths)
    mean, std = table.mean.loc["regnn"], table.std.loc["regnn"]
    assert mean["FRCorr_over_Random"] == pytest.approx(0.25)
    assert std["FRCorr_over_Random"] == pytest.approx(0.3 / 2**0.5)
    assert (mean["FRDist_under_Random"], std["FRDist_under_Random"]) == (90.0, 0.0)
    text = tables.format_md(table)
    assert "| model | FRCorr above Random | FRDist below Random |\n" in text
    assert "| regnn (fixed)‡ | +0.250 ± 0.212 | +90.000 ± 0.000 |\n\n" in text
    lines = tables.format_tsv(table).splitlines()
    assert {len(line.split("\t")) for line in lines} == {len(lines[0].split("\t"))}
    first = dict(zip(lines[0].split("\t"), lines[1].split("\t"), strict=True))
    assert float(first["FRDist_under_Random"]) == 90.0
    assert first["FRCorr_over_MeanFr"] == ""
    baseline = dict(zip(lines[0].split("\t"), lines[2].split("\t"), strict=True))
    assert (baseline["model"], baseline["FRDist_under_Random"]) == ("Random", "")


def test_a_baseline_without_the_seed_counts_with_its_mean(tmp_path):
    paths = [write_metrics(tmp_path, "regnn", seed, 0.5, variant="fixed") for seed in (0, 1)]
    for seed, frcorr in ((1, 0.1), (2, 0.3)):
        paths.append(write_metrics(tmp_path, "Random", seed, frcorr, variant="baseline"))
    table = tables.collect_table(paths)
    assert table.mean.loc["regnn", "FRCorr_over_Random"] == pytest.approx((0.3 + 0.4) / 2)


def test_no_margins_without_models_or_baselines(paths):
    assert "Ahead of" not in tables.format_md(tables.collect_table(paths[:1]))


def test_doubts_stand_below_the_tables_for_people(paths, tmp_path):
    tsv, md, tex = (tmp_path / f"t.{suffix}" for suffix in ("tsv", "md", "tex"))
    doubts = ["talk_01: a.mp4 (role a): 50 % of its sound is {silent} #1"]
    tables.tabulate_metrics(paths, tsv=tsv, md=md, tex=tex, doubts=doubts, doubtful=3)
    text = md.read_text(encoding="utf-8")
    assert f"## {tables.DOUBTS}\n\n- {doubts[0]}\n" in text
    assert text.index(tables.DOUBTS) < text.index("## Published")
    assert r"talk\_01: a.mp4 (role a): 50 \% of its sound is \{silent\} \#1" in tex.read_text()
    rows = list(csv.DictReader(tsv.open(encoding="utf-8"), delimiter="\t"))
    assert [row["notices"] for row in rows if row["source"] == "react24"] == ["3", "3"]
    assert tables.DOUBTS not in tables.format_md(tables.collect_table(paths))


def test_what_is_missing_is_said(tmp_path):
    path = write_metrics(tmp_path, "belfusion", 0, 1.0)
    with contract.open_hdf5(path, "r+") as file:
        file.attrs.update(valid=0.99999, dropped=1)
    table = tables.collect_table([path])
    text = tables.format_md(table)
    assert "1 of 3 clips of this split are left out" in text
    assert "The face is known in 99.9 % of the frames" in text
    lines = tables.format_tsv(table).splitlines()
    found = dict(zip(lines[0].split("\t"), lines[1].split("\t"), strict=True))
    assert (found["valid"], found["dropped"], found["notices"]) == ("0.99999", "1", "0")
    whole = tables.collect_table([write_metrics(tmp_path / "w", "belfusion", 0, 1.0)])
    assert "left out, in both" not in tables.format_md(whole)
