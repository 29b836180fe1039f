"""What a section of settings takes, and what it says of the rest."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from react24.contracts.settings import SettingsModel, walk_fields
from react24.errors import InputErrors


class Stage(SettingsModel):
    """A stage."""

    width: PositiveInt = 3
    """Channels."""
    rate: PositiveFloat | None = 1e-3
    """A step."""
    sizes: tuple[PositiveInt, ...] = Field(default=(64,), min_length=1)
    """Of layers."""
    code: Literal["state", "mean"] | None = None
    """Which."""
    smooth: bool = False

    @model_validator(mode="after")
    def _fit(self):
        if self.width == 7 and self.smooth:
            raise ValueError("found width 7 with smooth; accepted is one of them")
        return self


class Whole(SettingsModel):
    stage: Stage = Stage()
    files: str | dict[str, str] | None = None
    named: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")], Stage] = Field(default={})


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"rate": "1e-3"}, {"rate": 1e-3}),
        ({"rate": 2}, {"rate": 2.0}),
        ({"rate": None}, {"rate": None}),
        ({"width": 4.0}, {"width": 4}),
        ({"sizes": [1, 2.0]}, {"sizes": [1, 2]}),
        (None, {}),
    ],
)
def test_values_as_yaml_writes_them_are_understood(given, found):
    stage = Whole.read({"stage": given}, "here").stage
    assert stage.as_dict() == Stage().as_dict() | found
    for key, value in found.items():
        assert type(stage.as_dict()[key]) is type(value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"stage": {"width": True}}, "m.stage.width: found true; accepted is a whole number"),
        ({"stage": {"width": "3"}}, "m.stage.width: found '3'; accepted is a whole number"),
        ({"stage": {"width": 1.5}}, "m.stage.width: found 1.5; accepted is a whole number"),
        ({"stage": {"width": 0}}, "m.stage.width: found 0; accepted is a number above 0"),
        ({"stage": {"rate": False}}, "m.stage.rate: found false; accepted is a number or null"),
        ({"stage": {"rate": "abc"}}, "m.stage.rate: found 'abc'; accepted is a number or null"),
        ({"stage": {"rate": "inf"}}, "m.stage.rate: found inf; accepted is a finite number"),
        ({"stage": {"sizes": 3}}, "m.stage.sizes: found 3; accepted is a list"),
        ({"stage": {"sizes": [1, "x"]}}, "m.stage.sizes[1]: found 'x'; accepted is a whole number"),
        ({"stage": {"sizes": []}}, "m.stage.sizes: found []; accepted is something that is not"),
        ({"stage": {"code": "maen"}}, "one of state, mean or null (did you mean mean?)"),
        ({"stage": {"smooth": "yes"}}, "m.stage.smooth: found 'yes'; accepted is true or false"),
        ({"stage": 3}, "m.stage: found 3; accepted is a mapping"),
        ({"stage": {"smooth": True, "width": 7}}, "m.stage: found width 7 with smooth; accepted"),
        ({"files": 3}, "m.files: found 3; accepted is text or a mapping or null"),
        ({"files": {"a": 3}}, "m.files.a: found 3; accepted is text (YAML has its own reading"),
        ({"named": {"Ab": {}}}, "m.named.Ab: found 'Ab'; accepted is a name of lower-case"),
        ({"named": {"ab": {"wdth": 1}}}, "m.named.ab.wdth: unknown key; did you mean m.named.ab.w"),
        ({"stage": {"widht": 1}}, "m.stage.widht: unknown key; did you mean m.stage.width? Accep"),
        ({"width": 1}, "m.width: unknown key; did you mean m.stage.width? Accepted in m: stage,"),
        (3, "m: found 3; accepted is a mapping"),
    ],
)
def test_a_mistake_is_told_once_with_its_place(given, sentence):
    with pytest.raises(InputErrors) as error:
        Whole.read(given, "m")
    (problem,) = error.value.problems
    assert sentence in problem


def test_all_mistakes_are_told():
    given = {"stage": {"width": 0, "code": "x", "sizes": [0, "a"]}, "named": {"a": {"rate": -1}}}
    with pytest.raises(InputErrors) as error:
        Whole.read(given, "")
    places = [problem.partition(":")[0] for problem in error.value.problems]
    assert places == [
        "stage.width",
        "stage.sizes[0]",
        "stage.sizes[1]",
        "stage.code",
        "named.a.rate",
    ]


def test_settings_are_fixed_and_described():
    with pytest.raises(ValidationError):
        Stage().width = 4
    texts = {path: info.description for path, info in walk_fields(Whole)}
    assert texts["stage.width"] == texts["named.<name>.width"] == "Channels."
