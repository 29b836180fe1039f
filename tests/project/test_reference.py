"""What is generated from the settings is current: the tables of README, the schema for editors."""

import json
from pathlib import Path

import jsonschema
import pytest

from react24.contracts.settings import section_of, walk_fields
from react24.errors import InputError
from react24.project import reference
from react24.project.config import read_config
from react24.project.settings import configuration_of

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / "config" / "config.yaml"
KEYS = dict(walk_fields(configuration_of()))


def test_every_key_is_described_and_has_a_default_and_an_example_that_keep_to_it():
    assert len(KEYS) > 25
    whole = configuration_of()
    for path, info in KEYS.items():
        if section_of(info.annotation):
            assert section_of(info.annotation).__doc__, path
            continue
        assert info.description, path
        (example,) = info.examples
        section, _, key = path.replace("<name>", "belfusion").rpartition(".")
        for value in (json.loads(json.dumps(info.get_default(), default=dict)), example):
            values = {key: value}
            for name in reversed(section.split(".") if section else []):
                values = {name: values}
            whole.read(values, path)


def test_tables_of_the_readme_are_current():
    text = (REPOSITORY / reference.README).read_text("utf-8")
    assert reference.update_readme(text) == text, "run python -m react24.project.reference"
    for row in (*reference.key_rows(), *reference.column_rows()):
        assert f"\n{row}\n" in text
    stale = text.replace("| `seed` | whole number | `0` |", "| `seed` | text | `0` |")
    assert stale != text
    assert reference.update_readme(stale) == text
    with pytest.raises(InputError, match="no table with the header"):
        reference.update_readme("nothing")


def test_schema_for_editors_is_current():
    written = (REPOSITORY / reference.SCHEMA).read_text("utf-8")
    assert written == reference.editor_schema(), "run python -m react24.project.reference"
    first = CONFIG.read_text("utf-8").splitlines()[0]
    assert first.endswith(f"$schema={reference.SCHEMA.name}")


def test_schema_for_editors_says_what_is_accepted():
    schema = json.loads(reference.editor_schema())
    jsonschema.Draft202012Validator.check_schema(schema)

    def is_good(config):
        return jsonschema.Draft202012Validator(schema).is_valid(config)

    assert is_good(read_config(CONFIG))
    assert is_good({"faces": None, "streams": {"pitch": {"type": "pitch.py"}}})
    assert not is_good({"faces": {"max_gpa": 1}})
    assert not is_good({"models": {"Bad": {}}, "sampling": {"seeds": [-1]}})
    assert not is_good({"streams": {"vgish": {}}})
