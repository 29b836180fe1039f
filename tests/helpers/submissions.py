"""What a run would submit to a cluster: planned with a profile, without the cluster.

    python tests/helpers/submissions.py --workflow-profile profiles/slurm

plans what lies in the current folder as ``snakemake -n`` does and prints, in place of starting the
jobs, a line with a JSON list of submissions: ``name`` (of rule or group), ``rules``, ``jobs``
(how many), ``resources``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def list_submissions(folder: Path, profile: str = "profiles/slurm") -> list[dict[str, Any]]:
    """The submissions of a run in a folder with a profile."""
    from helpers.small_project import clean_environment

    command = [sys.executable, __file__, "--workflow-profile", profile]
    done = subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True
    )
    if done.returncode:
        raise AssertionError(f"planning failed:\n{(done.stdout + done.stderr)[-8000:]}")
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("[{")))


def describe(dag: Any) -> list[dict[str, Any]]:
    """The groups and single jobs of a planned run that are not local."""
    remote = [job for job in dag.needrun_jobs() if not dag.workflow.is_local(job.rule)]
    units = dict.fromkeys(dag.get_job_group(job) or job for job in remote)
    return [
        {
            "name": unit.groupid if unit.is_group() else unit.rule.name,
            "rules": sorted(unit.rules),
            "jobs": len(unit),
            "resources": {n: v for n, v in unit.resources.items() if isinstance(v, int | str)},
        }
        for unit in units
    ]


def main() -> None:
    from snakemake.cli import main as snakemake
    from snakemake.scheduling.job_scheduler import JobScheduler
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    def schedule(scheduler: Any) -> bool:
        # A dry run's own executor is a local one, to which groups and local rules mean nothing.
        scheduler.workflow._executor_plugin = ExecutorPluginRegistry().get_plugin("slurm")
        print(json.dumps(describe(scheduler.workflow.dag)), flush=True)
        return True

    JobScheduler.schedule = schedule
    snakemake(["-n", "--quiet", "all", *sys.argv[1:]])


if __name__ == "__main__":
    main()
