import re
from pathlib import Path

import react24
from react24 import dtw

SOURCE = Path(react24.__file__).parent


def test_the_engine_is_imported_as_a_whole_only():
    inside = re.compile(r"^\s*(?:from|import) react24\.dtw\.", re.MULTILINE)
    others = [path for path in SOURCE.rglob("*.py") if path.parent.name != "dtw"]
    assert len(others) > 50
    assert [path.name for path in others if inside.search(path.read_text("utf-8"))] == []


def test_what_it_offers_is_there():
    for name in dtw.__all__:
        assert getattr(dtw, name).__doc__, name
