import shutil
import subprocess

import pytest
from helpers.small_project import CONSOLE, copy_project, shrink

ON_THE_FINISHED_PROJECT = (
    "workflow/test_dag.py",
    "workflow/test_reruns.py",
    "::test_it_gets_a_row_in_the_table",
    "::test_the_workflow_makes_its_clips",
    "workflow/test_console.py",
    "workflow/test_module.py",
)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A small project that has been run to the end once. Tests put back what they change."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    shrink(project)
    (project.folder / CONSOLE).write_text(project.snakemake())
    return project


@pytest.fixture
def small_disk(tmp_path):
    """A disk with room for a megabyte."""
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def pytest_xdist_make_scheduler(config, log):
    """Tests of a file run in one process, and those on the finished project in the same one."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            if any(part in nodeid for part in ON_THE_FINISHED_PROJECT):
                return "finished"
            return nodeid.partition("::")[0]

    return Scheduler(config, log)
