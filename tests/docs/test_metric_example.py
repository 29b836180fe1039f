"""The metric of ``docs/add_a_metric.md``, and what the page promises of metrics of one's own."""

import csv
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers import clips_factory

from react24.contracts.metric import OTHER_COLUMNS, Direction, Metric, open_metric
from react24.conventions import METRICS
from react24.errors import InputError, InputErrors
from react24.files import contract
from react24.metrics.own import score_own
from react24.metrics.score_samples import score_reactions
from react24.project import resolved
from react24.project.config import load_settings
from react24.project.load import Project as Plan
from react24.report import tables
from react24.workflow.codedigest import code_digest
from react24.workflow.jobs import Jobs

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = "examples/smoothness.py"
PAIRS, SAMPLES = 2, 3


def settings(*own, root=ROOT):
    return load_settings({"metrics": {"own": [*own]}, "models": {}}, root)


def write_metric(folder, file, name, function="lambda direction: 1.0", **changes):
    about = {"title": "'a number'", "arrow": "'↑'", "decimals": 1, "function": function} | changes
    keywords = ", ".join(f"{key}={value}" for key, value in about.items())
    text = "from react24.contracts.metric import Metric\n\n"
    (folder / file).write_text(f"{text}METRIC = Metric({name!r}, {keywords})\n")
    return str(folder / file)


@pytest.fixture
def behaviour():
    return clips_factory.behaviour(PAIRS, 25)


@pytest.fixture
def files(tmp_path, behaviour):
    """Clips, appropriate reactions, and samples that are the truth and noise of half its size."""
    listeners = np.roll(np.arange(2 * PAIRS), PAIRS)
    rng = np.random.default_rng(0)
    noise = 0.5 * rng.standard_normal((2 * PAIRS, SAMPLES, 750, 25)) * behaviour.std()
    valid = np.ones(behaviour.shape[:2], bool)
    valid[1, 100:300] = valid[3] = False
    clips_factory.write_clips(tmp_path / "clips.h5", behaviour, split="test", valid=valid)
    index = clips_factory.clips_index(PAIRS)
    with contract.create(tmp_path / "appropriate.h5", schema="appropriate", created_by="t") as file:
        matrix = np.eye(2 * PAIRS, dtype=np.uint8)
        matrix[0, 1] = 1
        file.create_dataset("matrix", data=matrix)
        file.create_dataset("index", data=index)
        file.attrs["source"] = "for a test"
    for seed in (0, 1):
        with contract.create(tmp_path / f"samples{seed}.h5", schema="samples", created_by="t") as f:
            f.attrs.update(model="toy", seed=seed, split="test", samples=SAMPLES, pretrained=True)
            made = behaviour[listeners][:, None] + (seed + 1) * noise
            f.create_dataset("emotion", data=made.astype(np.float32))
            f.create_dataset("index", data=index)
    return tmp_path


def score(folder, seed=0, **options):
    names = (f"samples{seed}.h5", "clips.h5", "appropriate.h5", f"metrics{seed}.h5")
    score_reactions(*(folder / name for name in names), **options)
    return folder / names[-1]


def write_tables(folder, paths):
    forms = {form: folder / f"table.{form}" for form in ("tsv", "md", "tex")}
    tables.tabulate_metrics(paths, **forms)
    return {form: path.read_text("utf-8") for form, path in forms.items()}


def direction(reactions, listener, known=None):
    known = np.ones(len(listener), bool) if known is None else known
    return Direction(reactions, listener, listener, listener[None], known, known, known[None])


# The example


def test_it_is_as_short_as_the_page_says():
    page = (ROOT / "docs/add_a_metric.md").read_text()
    assert "in 25 lines" in page
    assert len((ROOT / EXAMPLE).read_text().splitlines()) <= 25


def test_it_measures_how_much_jerkier_reactions_are(behaviour):
    metric = open_metric(EXAMPLE, ROOT)
    real = behaviour[0]
    assert metric.value(direction(real[None], real)) == pytest.approx(0)
    assert metric.value(direction(10 * real[None], real)) == pytest.approx(2, abs=1e-6)
    still = np.full_like(real, 0.5)
    assert np.isnan(metric.value(direction(still[None], real)))
    # What stands in frames that are not known does not count, nor do reactions meanwhile.
    known = np.ones(750, bool)
    known[100:200] = False
    garbage, made = real.copy(), 10 * real[None]
    garbage[~known] = made[:, ~known] = np.random.default_rng(0).random((100, 25))
    assert metric.value(direction(made, garbage, known)) == pytest.approx(2, abs=1e-6)
    assert np.isnan(metric.value(direction(made, garbage, np.zeros(750, bool))))


# From the configuration to the table


def test_one_line_of_the_configuration_adds_a_column(files):
    paths = [score(files, seed, own=[str(ROOT / EXAMPLE)]) for seed in (0, 1)]
    with contract.open_file(paths[0], "metrics") as file:
        values, about = file["clips/smoothness"][:], dict(file["own/smoothness"].attrs)
    assert np.isnan(values).tolist() == [False, True, False, False]  # listener 3 is not known
    assert about["mean"] == pytest.approx(np.nanmean(values))
    assert (about["arrow"], about["decimals"], about["defined"]) == ("", 2, 0.75)
    texts = write_tables(files, paths)
    (row,) = (
        row
        for row in csv.DictReader(texts["tsv"].splitlines(), delimiter="\t")
        if row["source"] == "react24"
    )
    means = []
    for path in paths:
        with h5py.File(path) as file:
            means.append(file["own/smoothness"].attrs["mean"])
    assert float(row["smoothness"]) == pytest.approx(np.mean(means))
    assert float(row["smoothness_std"]) == pytest.approx(np.std(means, ddof=1))
    shown = f"{np.mean(means):.2f} ± {np.std(means, ddof=1):.2f}"
    section = texts["md"].partition("## Metrics of your own")[2].partition("##")[0]
    assert "- smoothness: log10 of the mean squared jerk" in section
    assert "| model | smoothness |" in section
    assert f"| toy†‡ | {shown} |" in section
    assert "model & smoothness" in texts["tex"]
    assert shown.replace("±", r"$\pm$") in texts["tex"]


def test_without_one_files_say_nothing_of_them(files):
    path = score(files)
    with contract.open_file(path, "metrics") as file:
        assert "own" not in file
    texts = write_tables(files, [path])
    assert not [form for form, text in texts.items() if "of your own" in text.lower()]
    header = texts["tsv"].partition("\n")[0].split("\t")
    assert header[-4:] == ["FRRea", "valid", "dropped", "notices"]


def test_columns_stand_in_the_order_of_the_configuration(files, tmp_path):
    own = [write_metric(tmp_path, f"{name}_order.py", name) for name in ("zeal", "awe")]
    texts = write_tables(files, [score(files, own=own)])
    assert "| model | zeal ↑ | awe ↑ |" in texts["md"]
    assert r"model & zeal $\uparrow$ & awe $\uparrow$ \\" in texts["tex"]
    assert "| toy†‡ | 1.0 | 1.0 |" in texts["md"]
    assert not {"zeal", "awe"} & set(tables.collect_table([files / "metrics0.h5"]).corrected)


def test_what_rounds_to_zero_has_no_sign(files, tmp_path):
    own = write_metric(tmp_path, "tiny.py", "tiny", "lambda direction: -1e-9")
    assert "| toy†‡ | 0.0 |" in write_tables(files, [score(files, own=[own])])["md"]


def test_a_table_of_files_with_other_metrics_is_refused(files):
    paths = [score(files, 0, own=[str(ROOT / EXAMPLE)]), score(files, 1)]
    with pytest.raises(contract.StoreError, match="different metrics of your own in one table"):
        tables.collect_table(paths)


def test_the_official_numbers_do_not_change(files):
    def official(**options):
        with h5py.File(score(files, **options)) as file:
            return {g: dict(file[g].attrs) for g in ("official", "corrected")}

    assert str(official()) == str(official(own=[str(ROOT / EXAMPLE)]))


# What a function is given, and what it may return


def test_a_direction_is_what_the_page_says(behaviour):
    seen = []
    metric = Metric("seen", "", "", 0, lambda given: seen.append(given) or 0.0)
    listeners = np.array([2, 3, 0, 1])
    reactions = np.random.default_rng(1).random((4, SAMPLES, 750, 25))
    valid = np.ones((4, 750), bool)
    valid[3, 5] = valid[1, 6] = False
    matrix = np.eye(4)
    matrix[1, 2] = 1
    score_own([metric], reactions, behaviour, valid, listeners, matrix)
    given = seen[1]
    np.testing.assert_array_equal(given.reactions, reactions[1].astype("f4"))
    np.testing.assert_array_equal(given.listener, behaviour[3])
    np.testing.assert_array_equal(given.speaker, behaviour[1])
    np.testing.assert_array_equal(given.appropriate, behaviour[[3, 0]])
    assert np.flatnonzero(~given.listener_known).tolist() == [5]
    assert np.flatnonzero(~given.speaker_known).tolist() == [6]
    assert np.argwhere(~given.appropriate_known).tolist() == [[0, 5]]
    for values in (given.reactions, given.listener, given.speaker):
        with pytest.raises(ValueError, match="read-only"):
            values[:] = 0


@pytest.mark.parametrize("found", [np.ones(2), "x", None, np.inf])
def test_a_function_returns_one_number(behaviour, found):
    metric = Metric("odd", "", "", 0, lambda _: found)
    with pytest.raises(InputError, match=r"metric odd: its function returned .* one finite number"):
        metric.value(direction(behaviour[:1], behaviour[0]))


def test_an_entry_point_is_imported_when_it_is_used(tmp_path, behaviour):
    (tmp_path / "far_away.py").write_text("def seven(direction):\n    return 7\n")
    path = write_metric(tmp_path, "near_by.py", "near_by", "'far_away:seven'")
    assert open_metric(path).value(direction(behaviour[:1], behaviour[0])) == 7
    path = write_metric(tmp_path, "lost.py", "lost", "'far_away:eight'")
    with pytest.raises(InputErrors, match=r"metrics\.own\[0\]: entry point 'far_away:eight'"):
        settings(path)


# Mistakes


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (["examples/smothness.py"], r"own\[0\]: .*no such file; did you mean .*/smoothness\.py\?"),
        (["examples/echo.yaml"], r"own\[0\]: .*accepted is a Python file"),
        (["examples/echo.py"], r"own\[0\]: .* must define METRIC, a Metric"),
        ([EXAMPLE, EXAMPLE], r"own: found .* without repetitions"),
        ([EXAMPLE, f"./{EXAMPLE}"], r"own\[1\]: .* both define a metric called 'smoothness'"),
        ("examples/smoothness.py", r"own: found .*; accepted is a list"),
    ],
)
def test_mistakes_are_told_by_name(own, message):
    with pytest.raises(InputErrors, match=r"metrics\." + message):
        load_settings({"metrics": {"own": own}, "models": {}}, ROOT)


@pytest.mark.parametrize("name", ["FRCorr", "frdist", "TLCC_defined", "Valid", "FRRea", "a_std"])
def test_names_of_other_columns_are_refused(tmp_path, name):
    path = write_metric(tmp_path, f"takes_{name.lower()}.py", name)
    with pytest.raises(InputErrors, match=rf"defines a metric called '{name}'.*accepted is"):
        settings(path)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [("a b", {}, "a name of letters"), ("ab", {"arrow": "'up'"}, "arrow is 'up'; accepted is '↑'")],
)
def test_what_a_metric_says_of_itself_is_checked(tmp_path, name, changes, message):
    path = write_metric(tmp_path, f"says_{len(name)}.py", name, **changes)
    with pytest.raises(InputErrors, match=rf"metrics\.own\[0\]: metric .*{message}"):
        settings(path)


def test_no_column_of_the_table_can_be_taken(files):
    header = write_tables(files, [score(files)])["tsv"].partition("\n")[0].split("\t")
    free = [
        name
        for name in header
        if not name.startswith(METRICS) and not name.endswith("_std") and name not in OTHER_COLUMNS
    ]
    assert free == []


# Reruns


def test_editing_it_scores_again_and_nothing_else(tmp_path):
    shutil.copy(ROOT / EXAMPLE, tmp_path / "edited.py")
    own = write_metric(tmp_path, "imports.py", "imports", "beside_it.number")
    path = Path(own)
    path.write_text("import beside_it\n" + path.read_text())
    (tmp_path / "beside_it.py").write_text("def number(direction):\n    return 1\n")
    jobs = Jobs(Plan(settings(), ()))
    plain = jobs.scoring_code
    made = settings(str(tmp_path / "edited.py"), own)
    before = Jobs(Plan(made, ())).scoring_code
    assert before[0] == plain[0]
    assert (len(plain), len(set(before))) == (1, 3)
    assert path in resolved._sources(made)
    # Digests are kept while a process lasts: a copy stands for the edited files.
    other = shutil.copytree(tmp_path, tmp_path / "other")
    (other / "beside_it.py").write_text("def number(direction):\n    return 2\n")
    after = [code_digest(name, beside=other) for name in ("edited", "imports")]
    assert after[0] == before[1]
    assert after[1] != before[2]
