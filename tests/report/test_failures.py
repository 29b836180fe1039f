import os
import subprocess
import sys
from pathlib import Path

import react24
from react24.report.failures import describe_failures, find_failures

JOB = """
import sys
from pathlib import Path
from react24.errors import InputErrors
from react24.log import start_logging
start_logging(sys.argv[1])
raise InputErrors("session02: 2 problems", ["a.mp4, second 3: cut", "b.mp4: no sound"])
"""


def fail(log):
    done = subprocess.run(
        [sys.executable, "-c", JOB, str(log)],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(react24.__file__).parents[1])},
    )
    assert done.returncode == 1


def test_failed_jobs_are_listed_with_their_reason(tmp_path):
    fail(tmp_path / "track_faces" / "session02.log")
    (tmp_path / "track_faces" / "session01.log").write_text("12:00:00 INFO react24: fine\n")
    text = describe_failures(tmp_path, since=0)
    assert text.startswith("1 job(s) failed")
    assert "track_faces/session02: InputErrors: session02: 2 problems" in text
    assert "session01" not in text


def test_logs_of_earlier_runs_do_not_count(tmp_path):
    log = tmp_path / "probe_session" / "session02.log"
    fail(log)
    os.utime(log, (1000, 1000))
    assert find_failures(tmp_path, since=2000) == []
    assert describe_failures(tmp_path, since=2000) == ""
