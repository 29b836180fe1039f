"""What a large run asks of a cluster, and what the groups of the Slurm profile promise."""

import json
import re

import pytest
from helpers.large_project import make_large_project
from helpers.submissions import list_submissions

pytestmark = pytest.mark.slow
SESSIONS = 83


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_large_project(tmp_path_factory.mktemp("large"), SESSIONS)


@pytest.fixture(scope="module")
def submissions(project):
    return list_submissions(project.folder)


def grouped(submissions):
    found = [unit for unit in submissions if unit["jobs"] > 1]
    assert found
    return found


def test_a_corpus_of_83_sessions_is_at_most_500_submissions(submissions):
    assert len(submissions) <= 500
    assert (
        sum(unit["jobs"] for unit in submissions) > 840
    )  # all streams, models and seeds are there
    assert len([unit for unit in submissions if "extract_swin" in unit["rules"]]) == SESSIONS


def test_a_group_is_of_one_session_person_or_model(submissions):
    names = [unit["name"] for unit in grouped(submissions)]
    assert len(names) == len(set(names))
    for kind, number in (("light", SESSIONS), ("sound", SESSIONS), ("neutral", 1)):
        assert len([name for name in names if name.startswith(f"{kind}-")]) == number
    assert {"light-s000", "sound-s082", "neutral-s000-a", "score-GT-test"} <= set(names)


def test_what_other_sessions_wait_for_is_on_its_own(submissions):
    for rule in ("probe_session", "track_faces", "compare_recordings"):
        units = [unit for unit in submissions if rule in unit["rules"]]
        assert units
        assert all(unit["rules"] == [rule] for unit in units)


def test_a_group_asks_for_its_largest_job_and_the_minutes_of_all(submissions):
    found = {unit["name"]: unit["resources"] for unit in grouped(submissions)}
    light, sound, baseline = (found[name] for name in ("light-s003", "sound-s003", "score-GT-test"))
    assert (light["_cores"], light["mem_mb"], light["runtime"]) == (1, 1500, 60 + 60 + 30 + 30)
    assert (sound["_cores"], sound["mem_mb"], sound["runtime"]) == (1, 3000, 240 + 240)
    assert (baseline["mem_mb"], baseline["runtime"]) == (2000, 3 * 60 + 3 * 240)


def test_no_group_holds_a_gpu_for_jobs_without_one(submissions):
    for unit in grouped(submissions):
        networks = {"extract_vggish", "extract_wav2vec2"}
        assert unit["resources"].get("gpu", 0) == (1 if set(unit["rules"]) <= networks else 0)


def test_tables_and_plots_are_made_where_snakemake_runs(submissions):
    rules = {rule for unit in submissions for rule in unit["rules"]}
    assert "score_reactions" in rules
    assert not {rule for rule in rules if rule.startswith(("tabulate", "list_", "plot_"))}


def test_a_quiet_plan_is_the_table_alone(project):
    text = project.snakemake("-n", "--quiet")
    assert re.search(rf"^probe_session +{SESSIONS}$", text, re.MULTILINE)
    assert re.findall(r"^total +(\d+)$", text, re.MULTILINE) == ["858"]
    assert "Reading the clock of session" not in text
    headers = json.loads((project.folder / ".snakemake/react24/headers.json").read_text())
    assert len(headers["seen"]) == 2 * SESSIONS
