"""What each kind of tracker needs to be told."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from closeloop_service.domain.rules import TrackerKind
from closeloop_service.rulebook.documents.improvements import TrackerDocument
from heardback.faults import Fault, Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a kind of tracker calls a project; None: it has none. `knows_url`: its own address."""

    project: re.Pattern[str] | None
    advice: str
    knows_url: bool = True
    options: tuple[str, ...] = ()


NEEDS: Final[Mapping[TrackerKind, Needs]] = {
    TrackerKind.JIRA: Needs(
        project=re.compile(r"[A-Z][A-Z0-9_]+"),
        advice="write the project's key, such as CX",
        knows_url=False,
        options=("email", "issue_type", "declined"),
    ),
    TrackerKind.GITHUB: Needs(
        project=re.compile(r"[\w.-]+/[\w.-]+"),
        advice="write owner/repository",
        options=("labels", "planned_label"),
    ),
    TrackerKind.LINEAR: Needs(project=re.compile(r"[\w-]+"), advice="write the team's id"),
    TrackerKind.ASANA: Needs(
        project=re.compile(r"[0-9]+"),
        advice="write the project's gid, the digits in its address, in quotes",
        options=("planned_sections", "declined_sections"),
    ),
    TrackerKind.WEBHOOK: Needs(
        project=None, advice="leave it out; a webhook has none", knows_url=False
    ),
}


def check_tracker(tracker: TrackerDocument, path: Path) -> Iterator[Fault]:
    """Return what is missing or too much."""
    needs = NEEDS[tracker.kind]
    if tracker.base_url is None and not needs.knows_url:
        yield Fault(path=(*path, "base_url"), message="is missing: the tracker's address")
    yield from _project(tracker.project, needs, (*path, "project"))
    for option in tracker.options:
        if option not in needs.options:
            known = ", ".join(needs.options) or "none"
            message = f"{tracker.kind} has no option {option}; it has {known}"
            yield Fault(path=(*path, "options", option), message=message)


def _project(project: str | None, needs: Needs, path: Path) -> Iterator[Fault]:
    if needs.project is None:
        if project is not None:
            yield Fault(path=path, message=needs.advice)
    elif project is None:
        yield Fault(path=path, message=f"is missing; {needs.advice}")
    elif not needs.project.fullmatch(project):
        yield Fault(path=path, message=needs.advice)
