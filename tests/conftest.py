import pytest
from helpers.small_project import copy_project, shrink


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A small project that has been run to the end once. Tests put back what they change."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    shrink(project)
    project.snakemake()
    return project


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """Tests on the finished project run in one process, so that it is run once."""
    for item in items:
        if "finished" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("finished"))
