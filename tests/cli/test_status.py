"""What ``react24 status`` makes of what Snakemake and planning say."""

import pytest

from react24.cli import status
from react24.cli.main import main
from react24.cli.status import HEADER, Output

SUMMARY = "\n".join(
    [
        "something that a Snakefile prints",
        HEADER,
        "results/a.h5\tMon\tread\t-\tok\tno update",
        "results/b.h5\tMon\tread\t-\tupdated input files\tupdate pending",
        "results/join.h5\tMon\tjoin\t-\tok\tupdate pending",
        "results/table.tsv\t-\ttabulate\t-\tmissing\tupdate pending",
        "results/old.h5\t-\tread\t-\tmissing\tno update",
    ]
)
PLAN = [
    {"outputs": ["results/b.h5"], "inputs": [], "newer": [], "reasons": ["code of read"]},
    {
        "outputs": ["results/join.h5"],
        "inputs": ["results/a.h5", "results/b.h5"],
        "newer": ["results/a.h5", "results/b.h5"],
        "reasons": [],
    },
]
OUTPUTS = [
    Output("results/a.h5", "read", "current"),
    Output("results/b.h5", "read", "stale", ("code of read",)),
    Output(
        "results/join.h5",
        "join",
        "stale",
        ("older than results/a.h5", "made from results/b.h5, which will be made"),
    ),
    Output("results/table.tsv", "tabulate", "missing"),
    Output("results/old.h5", "read", "unneeded"),
]


def test_every_output_gets_its_state_and_reasons():
    assert list(status._judge(status._read_summary(SUMMARY), PLAN)) == OUTPUTS


def test_another_table_of_snakemake_is_refused():
    with pytest.raises(status.InputError, match=r"this react24 knows Snakemake 9\.27"):
        status._read_summary("output\tplan")


def test_it_is_told_per_rule_and_file():
    lines = status.describe(OUTPUTS).splitlines()
    assert [line.split() for line in lines[:5]] == [
        ["rule", "current", "stale", "missing", "unneeded"],
        ["read", "1", "1", "0", "1"],
        ["join", "0", "1", "0", "0"],
        ["tabulate", "0", "0", "1", "0"],
        ["total", "1", "2", "1", "1"],
    ]
    assert "  results/b.h5: code of read" in lines
    assert lines[-2:] == ["Missing:", "  results/table.tsv"]


def test_many_missing_files_are_counted():
    missing = [Output(f"results/{n}.h5", "read", "missing") for n in range(30)]
    assert status.describe(missing).endswith("  and 10 more (--all lists them)")
    assert status.describe(missing, most_missing=None).endswith("  results/29.h5")


def test_nothing_to_do_is_said():
    assert "All that is asked for is there and current." in status.describe(OUTPUTS[:1])


@pytest.mark.parametrize(("outputs", "expected"), [(OUTPUTS, 3), (OUTPUTS[:1], 0)])
def test_the_exit_status_says_whether_something_is_to_be_made(outputs, expected, monkeypatch):
    monkeypatch.setattr(status, "find_outputs", lambda *arguments: outputs)
    assert main(["status"]) == expected


def test_elsewhere_there_is_no_workflow(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["status"]) == 1
    assert "no Snakefile here" in capsys.readouterr().err
