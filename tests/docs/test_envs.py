"""The lock, the environments of the rules and what the code imports agree with each other."""

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from react24 import models as registry
from react24 import streams
from react24.workflow.codedigest import follow

REPOSITORY = Path(__file__).parents[2]
ENVS = sorted((REPOSITORY / "envs").glob("*.yaml"))
PIN = re.compile(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+]+")


def load_pin_script():
    spec = importlib.util.spec_from_file_location("pin", REPOSITORY / "envs" / "pin.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["pin"] = module
    spec.loader.exec_module(module)
    return module


pin = load_pin_script()
LOCK = pin.read_lock()


def direct_requirements():
    lines = (REPOSITORY / "requirements.in").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def packages_of(env):
    """Names on PyPI of all that an environment holds."""
    names = {ours: name for name, ours in pin.CHANNEL.items()}
    from_channel = [names[line.partition("=")[0]] for line in channel_lines(env)]
    by_pip = {canonicalize_name(text.partition("==")[0]) for text in pip_lines(env)}
    return by_pip | set(pin.closure(tuple(from_channel)))


def pip_lines(env):
    dependencies = yaml.safe_load(env.read_text())["dependencies"]
    return [line for d in dependencies if isinstance(d, dict) for line in d["pip"]]


def channel_lines(env):
    """Pins of conda-forge, without python and pip."""
    dependencies = yaml.safe_load(env.read_text())["dependencies"]
    return [d for d in dependencies if isinstance(d, str) and d not in ("python=3.11", "pip")]


def rules():
    """(rule, its text, the file) of every rule of the workflow."""
    for path in sorted((REPOSITORY / "workflow" / "rules").glob("*.smk")):
        if path.stem == "extract":
            yield from stream_rules(path)
        for text in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            yield pytest.param(text, path, id=text.partition(":")[0])


def stream_rules(path):
    """The rule of every stream and backend, made from the one text of all."""
    template = path.read_text().partition("    rule:\n")[2]
    for stream in streams.STREAMS.values():
        for i, (name, backend) in enumerate(stream.backends.items()):
            rule = f"extract_{stream.name}" + (f"_{name}" if i else "")
            text = template.replace(
                "JOBS.stream_environment(STREAM)", f'"../../envs/{backend.environment}.yaml"'
            ).replace("JOBS.stream_code(STREAM)", " ".join(f'"{m}"' for m in backend.modules))
            yield pytest.param(f"{rule}:\n{text}", path, id=rule)


def path_after(directive, text, path):
    """The file that a rule names after ``script:`` or ``conda:``."""
    found = re.search(rf'^ +{directive}:\s+"([^"]+)"', text, re.MULTILINE)
    return found and (path.parent / found[1]).resolve()


def modules_of(text, script):
    """Modules of ours behind a rule: imported by its script, or named for the code digest."""
    names = set(re.findall(r"^ *(?:from|import) (react24[\w.]*)", script.read_text(), re.MULTILINE))
    names |= set(re.findall(r'"(react24[\w.]+)"', text))
    kinds = [registry.get(name) for name in registry.names()]
    if script.stem == "sample_reactions":
        names |= {module for kind in kinds for module in kind.modules()}
    if script.stem == "train_stage":
        names |= {module for kind in kinds for module in kind.modules(*kind.stage_names)}
    return sorted(names)


# The lock


def test_lock_holds_exact_pins_only():
    for line in LOCK.values():
        assert PIN.fullmatch(line), line
    assert "pip" not in LOCK
    assert "react24" not in LOCK


def test_lock_meets_every_direct_dependency():
    for wanted in direct_requirements():
        version = LOCK[canonicalize_name(wanted.name)].partition("==")[2]
        assert wanted.specifier.contains(version), wanted


def test_lock_is_complete():
    """What the direct dependencies need, and what that needs, is locked."""
    names = tuple(wanted.name for wanted in direct_requirements())
    assert set(pin.closure(names)) - set(LOCK) == set()


def test_lock_holds_nothing_else():
    names = tuple(wanted.name for wanted in direct_requirements())
    assert set(LOCK) - set(pin.closure(names)) == set()


def test_lock_meets_the_package_metadata():
    text = (REPOSITORY / "pyproject.toml").read_text()
    wanted = [Requirement(t) for t in re.findall(r'"([a-zA-Z-]+[><=]=[0-9.]+)"', text)]
    assert len(wanted) > 10
    for requirement in wanted:
        version = LOCK[canonicalize_name(requirement.name)].partition("==")[2]
        assert requirement.specifier.contains(version), requirement


def test_every_direct_dependency_is_documented():
    text = (REPOSITORY / "docs" / "dependencies.md").read_text()
    rows = {line.split("|")[1].strip(" `").lower() for line in text.splitlines() if "|" in line}
    for wanted in direct_requirements():
        assert wanted.name.lower() in rows, f"{wanted.name} has no row in docs/dependencies.md"


def test_no_row_documents_what_is_not_needed():
    text = (REPOSITORY / "docs" / "dependencies.md").read_text()
    rows = re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)
    assert sorted(rows, key=str.lower) == sorted(
        (wanted.name for wanted in direct_requirements()), key=str.lower
    )


def third_party(*modules):
    """Top-level names from outside the package and the standard library that they import."""
    names = {name.partition(".")[0] for module in follow(*modules) for name in module.imports}
    return names - {"react24"} - set(sys.stdlib_module_names)


def test_everything_the_library_imports_is_a_direct_dependency():
    package = REPOSITORY / "src" / "react24"
    names = [
        ".".join(p.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        for p in package.rglob("*.py")
    ]
    direct = {canonicalize_name(wanted.name) for wanted in direct_requirements()}
    for name in third_party(*names):
        assert distributions_of(name) & direct, f"{name} is imported but not in requirements.in"


@cache
def import_names():
    """Import name -> names of the distributions that bring it."""
    return importlib.metadata.packages_distributions()


def distributions_of(module):
    return {canonicalize_name(name) for name in import_names().get(module, [])}


# The environments


def test_there_is_an_environment_per_group():
    assert {env.stem for env in ENVS} == set(pin.GROUPS)


@pytest.mark.parametrize("env", ENVS, ids=lambda env: env.stem)
def test_pins_are_those_of_the_lock(env):
    for line in pip_lines(env):
        assert LOCK[canonicalize_name(line.partition("==")[0])] == line
    names = {ours: name for name, ours in pin.CHANNEL.items()}
    for line in channel_lines(env):
        name, _, version = line.partition("=")
        locked = LOCK[names[name]].partition("==")[2]
        assert locked.startswith(f"{version}.") or locked == version, line


def test_torch_is_installed_once():
    assert [env.stem for env in ENVS if "torch" in packages_of(env)] == ["torch"]


def test_nothing_is_installed_twice():
    """What conda-forge brings is not in the list of pip, too."""
    for env in ENVS:
        names = {ours: name for name, ours in pin.CHANNEL.items()}
        from_channel = tuple(names[line.partition("=")[0]] for line in channel_lines(env))
        by_pip = {canonicalize_name(text.partition("==")[0]) for text in pip_lines(env)}
        assert by_pip & set(pin.closure(from_channel)) == set(), env.name


@pytest.mark.parametrize("env", ENVS, ids=lambda env: env.stem)
def test_environment_is_as_the_script_writes_it(env):
    assert env.read_text() == pin.environment(env.stem), "run: python envs/pin.py"


@pytest.mark.parametrize("env", ENVS, ids=lambda env: env.stem)
def test_channels_and_python(env):
    content = yaml.safe_load(env.read_text())
    assert content["channels"] == ["conda-forge", "nodefaults"]
    assert content["dependencies"][0] == "python=3.11"
    assert "pip" in content["dependencies"]


NOT_REACHED = {
    "sample_baseline": {"torch"},
    "find_neutral": {"pydantic"},
    "appropriate_reactions": {"torch"},
    "score_reactions": {"torch"},
}
NOT_REACHED |= {  # settings are checked before; torch is imported for networks only
    found.id: {"pydantic"} if extractor.gpu else {"pydantic", "torch"}
    for found, extractor in zip(
        stream_rules(REPOSITORY / "workflow/rules/extract.smk"),
        (backend for stream in streams.STREAMS.values() for backend in stream.backends.values()),
        strict=True,
    )
}
"""Imports inside functions that a rule's script never calls; a test below holds this."""


@pytest.mark.parametrize(("text", "path"), list(rules()))
def test_rule_has_what_it_imports_in_its_environment(text, path):
    env, script = path_after("conda", text, path), path_after("script", text, path)
    assert env in ENVS, "no conda environment"
    assert script.is_file()
    names = modules_of(text, script)
    assert names, "the script imports nothing of react24"
    present = packages_of(env)
    spared = NOT_REACHED.get(text.partition(":")[0], set())
    for name in third_party(*names) - spared:
        assert distributions_of(name) & present, f"{name} is not in {env.name}"


@pytest.mark.parametrize("rule", sorted(NOT_REACHED))
def test_what_is_spared_is_not_imported_at_the_start(rule):
    (found,) = [p for p in rules() if p.id == rule]
    text, path = found.values
    names = modules_of(text, path_after("script", text, path))
    block = "".join(f"sys.modules[{name!r}] = None; " for name in NOT_REACHED[rule])
    code = f"import sys; {block}import {', '.join(names)}"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
