"""The base of a model's settings: its type, its variant, and what is left open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from react24.contracts.settings import SettingsModel, section_of

Space = Literal["native", "zscored"]
"""Units of a speaker's stream: its own, or z-scored per session and role."""

Dropout = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(gt=0, le=1)]


def by_variant(switches: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A table for `ModelSettings.VARIANTS` from one in which both variants stand side by side.

    Args:
        switches: Setting -> (official, fixed), or section -> a mapping of its settings to that;
            None where a variant leaves it to `ModelSettings.follow`.
    """
    table: dict[str, dict[str, Any]] = {"official": {}, "fixed": {}}
    for name, values in switches.items():
        inner = by_variant(values) if isinstance(values, Mapping) else None
        for variant, value in zip(table, inner.values() if inner else values, strict=True):
            table[variant] |= {} if value is None else {name: value}
    return table


class ModelSettings(SettingsModel):
    """Everything that shapes a run of a model, with nothing left open.

    Whatever is left out has its official value; whatever is then still null follows the variant.
    """

    VARIANTS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Variant -> setting, or section with settings -> value, for what may be null."""

    type: str
    """Name of the type; tells settings files apart."""
    variant: Literal["official", "fixed"] = "official"
    """``official``: as its authors trained it; ``fixed``: with their mistakes mended."""

    @model_validator(mode="before")
    @classmethod
    def _leave_nothing_open(cls, values: Any) -> Any:
        if not isinstance(values, Mapping | None):
            return values
        sections = {name for name, info in cls.model_fields.items() if section_of(info.annotation)}
        given = {**dict.fromkeys(sections), **_without_nulls(values or {})}
        followed = cls.VARIANTS.get(str(given.get("variant", "official")), {})
        for name in sections:
            if not isinstance(given[name], Mapping | None):
                return given  # refused by name later
            given[name] = {**followed.get(name, {}), **_without_nulls(given[name] or {})}
        given = {**followed, **given}
        cls.follow(given)
        return given

    @classmethod
    def follow(cls, values: dict[str, Any]) -> None:
        """Fill in, in place, what follows from other settings; nothing unless a model says so.

        Args:
            values: Unchecked settings without nulls; all sections are there, as dictionaries.
        """

    @classmethod
    def read(cls, values: Any, where: str = "settings") -> Self:
        """Settings from a mapping: a settings file with overrides merged in.

        Args:
            values: Key -> value.
            where: How the user finds these values, for errors, e.g. ``models.belfusion``.

        Raises:
            InputErrors: Everything that is wrong with them.
        """
        return super().read(values, where)

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Every key with its default, as a settings file has it: null where it follows."""
        return {
            name: section().as_dict()
            if (section := section_of(info.annotation))
            else info.get_default(call_default_factory=True)
            for name, info in cls.model_fields.items()
        }


def _without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
