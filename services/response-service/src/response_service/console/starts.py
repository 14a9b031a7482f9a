"""What a new survey starts from: one that is there already."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count

from heardback.surveys import DEFAULT, ready_made
from heardback.yaml_text import to_yaml
from response_service.console import views
from response_service.survey_store import KeptSurvey


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A survey to start from."""

    key: str
    name: str
    about: str


def starts(newest: Mapping[str, KeptSurvey]) -> list[Start]:
    """Return every survey, with the question that it asks."""
    surveys = {**ready_made(), **{key: kept.survey for key, kept in newest.items()}}
    return [
        Start(
            key=key,
            name=survey.name,
            about=f"{views.SCALES[survey.scale]}; {', '.join(map(views.language, survey.locales))}",
        )
        for key, survey in surveys.items()
    ]


def text_for(key: str, newest: Mapping[str, KeptSurvey]) -> str:
    """Return the text of a survey under a free id; of one in English alone where there is none."""
    kept, packaged = newest.get(key), ready_made().get(key)
    if kept is not None:
        document = views.ordered(kept.document)
    elif packaged is not None:
        document = views.ordered(packaged.document)
    else:
        document = views.ordered(ready_made()[DEFAULT].document)
        document |= {"id": "my-survey", "name": "My survey"}
        document["texts"] = {"en": document["texts"]["en"]}
    document["id"] = _free(str(document["id"]), {*newest, *ready_made()})
    return to_yaml(document).rstrip("\n")


def _free(survey_id: str, taken: Iterable[str]) -> str:
    """Return an id that is not taken: `purchase-nps-2`."""
    names = (survey_id if n == 1 else f"{survey_id}-{n}" for n in count(1))
    used = set(taken)
    return next(name for name in names if name not in used)
