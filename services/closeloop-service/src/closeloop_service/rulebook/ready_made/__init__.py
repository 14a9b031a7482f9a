"""The ready-made rulebooks: in force until somebody saves their own."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from closeloop_service.rulebook.books import MODELS, Books
from closeloop_service.rulebook.faults import parse
from closeloop_service.rulebook.kinds import Kind
from heardback.yaml_text import read_yaml


@cache
def ready_made() -> Mapping[Kind, str]:
    """Return the text of each."""
    folder = files(__name__)
    return {kind: folder.joinpath(f"{kind}.yaml").read_text(encoding="utf-8") for kind in Kind}


@cache
def ready_made_books() -> Books:
    """Return the documents that they say."""
    return Books.of(
        {kind: parse(MODELS[kind], read_yaml(text)[0]) for kind, text in ready_made().items()}
    )
