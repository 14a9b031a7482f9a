"""The surveys that come with Heardback. A file says what differs from the one that it extends."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

import yaml

from heardback.surveys.checks import parse
from heardback.surveys.survey import Survey

DEFAULT: Final = "nps"
"""The survey that asks when another one is not known."""

_FILES: Final = resources.files("heardback.surveys") / "ready_made"


@cache
def ready_made() -> Mapping[str, Survey]:
    """Return the ready-made surveys by their id, as version 1 each."""
    names = sorted(
        file.name.removesuffix(".yaml") for file in _FILES.iterdir() if file.name.endswith(".yaml")
    )
    found = {name: parse(_read(name), version=1) for name in names if not name.startswith("_")}
    return MappingProxyType({DEFAULT: found[DEFAULT], **found})


def newest_ready_made(survey_id: str) -> Survey:
    """Return a ready-made survey; one that asks the question that all do where there is none."""
    surveys = ready_made()
    return surveys.get(survey_id, surveys[DEFAULT])


def _read(name: str) -> dict[str, Any]:
    """Return the document of a file, with what it takes from others."""
    document: dict[str, Any] = yaml.safe_load((_FILES / f"{name}.yaml").read_text("utf-8"))
    base = document.pop("extends", None)
    return document if base is None else _merge(_read(base), document)


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        before = merged.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[name] = _merge(before, value)
        else:
            merged[name] = value
    return merged
