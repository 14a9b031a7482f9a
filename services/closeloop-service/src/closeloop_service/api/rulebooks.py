"""Rulebooks over HTTP: read, checked, tried out, and put in force as versions.

To save is idempotent: the same text again changes nothing, so it can be sent again when the
answer was lost.
"""

from collections.abc import Collection
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from closeloop_service.api.rulebook_views import (
    DifferenceList,
    RulebookList,
    RulebookSummary,
    RulebookText,
    RulebookView,
    SaveForm,
    TryForm,
    Verdict,
    VersionList,
)
from closeloop_service.rulebook.books import schema
from closeloop_service.rulebook.differing import differing
from closeloop_service.rulebook.drafts import check_text
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.preview import PolicyPreview, RoutePreview
from closeloop_service.rulebook.saving import Draft, save
from closeloop_service.rulebook.shelf import load_shelf, load_version, load_versions
from closeloop_service.rulebook.trying import rules_with, try_policy, try_route
from closeloop_service.store.loads import load_loads
from closeloop_service.store.rulebooks import KeptRulebook
from heardback.bodies import JSON, YAML, YAML_TOO, BoundedRoute, media_type, read_body
from heardback.console.pages import refuse_cross_site
from heardback.errors import Invalid
from heardback.http import DatabaseOf

MOST_BYTES: Final = 3_145_728
"""Of a request: a text has 200,000 characters at most, each of up to twelve bytes in JSON."""

_TEXT: Final = {"schema": {"type": "string", "description": "The text of the rulebook."}}
_FORM: Final = {"schema": SaveForm.model_json_schema()}
_BODY: Final = {"requestBody": {"required": True, "content": {YAML: _TEXT, JSON: _FORM}}}
_ANYTHING: Final = {"schema": {"description": "What may be a rulebook: the answer says so."}}
_ANY_BODY: Final = {"requestBody": {"content": {YAML: _ANYTHING}}}
Version = Annotated[int, Query(ge=0, le=2**53)]
IfMatch = Annotated[
    str | None, Header(description="The version that it was written upon, in quotes.")
]
By = Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Why = Annotated[str, Query(max_length=500, pattern=r"^[^\x00]*$")]


class UnreadableVersion(Invalid):
    """The header If-Match takes the number of a version, in quotes, as ETag says it."""


class NotText(Invalid):
    """A rulebook is a text in UTF-8; send it so."""


def router(secrets: Collection[str]) -> APIRouter:
    """Return the routes; `secrets`: the names of those that are set."""
    routes = APIRouter(
        prefix="/rulebooks",
        tags=["rulebooks"],
        generate_unique_id_function=lambda route: route.name,
    )
    routes.get("")(list_rulebooks)
    routes.include_router(_previews(secrets))
    routes.get("/{kind}")(get_rulebook)
    routes.get("/{kind}/schema")(get_schema)
    routes.get("/{kind}/versions")(list_versions)
    routes.get("/{kind}/versions/{version}")(get_version)
    routes.get("/{kind}/diff")(diff_versions)
    _add_texts(routes, secrets)
    return routes


async def list_rulebooks(database: DatabaseOf) -> RulebookList:
    """List the rulebooks in force."""
    async with database.read() as connection:
        shelf = await load_shelf(connection)
    rulebooks = [RulebookSummary.of(kept) for kept in shelf.kept.values()]
    return RulebookList(version=shelf.version, rulebooks=rulebooks)


async def get_rulebook(kind: Kind, response: Response, database: DatabaseOf) -> RulebookText:
    """Return the version in force."""
    async with database.read() as connection:
        return _tagged((await load_shelf(connection)).kept[kind], response)


async def get_schema(kind: Kind) -> dict[str, Any]:
    """Return the JSON schema of a rulebook, for editors."""
    return schema(kind)


async def list_versions(
    kind: Kind, database: DatabaseOf, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> VersionList:
    """List the newest versions of a rulebook; the last is the ready-made one."""
    async with database.read() as connection:
        kept = await load_versions(connection, kind, limit=limit)
    return VersionList(versions=[RulebookView.model_validate(version) for version in kept])


async def get_version(
    kind: Kind, version: int, response: Response, database: DatabaseOf
) -> RulebookText:
    """Return one version of a rulebook."""
    async with database.read() as connection:
        return _tagged(await load_version(connection, kind, version), response)


async def diff_versions(
    kind: Kind,
    database: DatabaseOf,
    before: Annotated[Version, Query(alias="from")],
    after: Annotated[Version, Query(alias="to")],
) -> DifferenceList:
    """Tell what differs between two versions of a rulebook."""
    async with database.read() as connection:
        texts = [(await load_version(connection, kind, n)).body for n in (before, after)]
    return DifferenceList.of(differing(*texts))


def _add_texts(routes: APIRouter, secrets: Collection[str]) -> None:
    @routes.post("/{kind}/validate", openapi_extra=_ANY_BODY)
    async def validate_rulebook(kind: Kind, request: Request, database: DatabaseOf) -> Verdict:
        """Tell whether a text would be taken, and everything that is wrong; nothing is kept."""
        text = await _read_text(request)
        async with database.read() as connection:
            books = (await load_shelf(connection)).books()
        checked = check_text(kind, text, books, secrets)
        return Verdict.of(checked.faults, checked.advice)

    @routes.put("/{kind}", openapi_extra=_BODY, dependencies=[Depends(refuse_cross_site)])
    async def save_rulebook(
        kind: Kind,
        request: Request,
        response: Response,
        database: DatabaseOf,
        if_match: IfMatch = None,
        saved_by: By = "api",
        note: Why = "",
    ) -> RulebookText:
        """Put a text in force as the next version. The same text again changes nothing.

        With `If-Match`, or `based_on` in JSON, only if nobody has saved another version meanwhile.
        Open tasks are planned anew by it, and tasks that wait for an owner are tried again.
        """
        form = await _read_form(request, saved_by=saved_by, note=note)
        based_on = form.based_on if if_match is None else _version(if_match)
        draft = Draft(
            kind=kind,
            body=form.body,
            saved_by=form.saved_by,
            note=form.note,
            based_on=based_on,
        )
        async with database.transaction() as tx:
            return _tagged(await save(tx, draft, secrets), response)


def _previews(secrets: Collection[str]) -> APIRouter:
    routes = APIRouter(
        route_class=BoundedRoute, generate_unique_id_function=lambda route: route.name
    )

    @routes.post("/sla-policies/preview")
    async def preview_policy(form: TryForm, database: DatabaseOf) -> PolicyPreview:
        """Tell by which policy a task would run, when it would be due, and who would be told."""
        async with database.read() as connection:
            books = (await load_shelf(connection)).books()
        return try_policy(rules_with(books, form.drafts, secrets), form.question())

    @routes.post("/teams/preview")
    async def preview_route(form: TryForm, database: DatabaseOf) -> RoutePreview:
        """Tell who would get a task, with what everybody has to do now."""
        async with database.read() as connection:
            books = (await load_shelf(connection)).books()
            rules = rules_with(books, form.drafts, secrets)
            teams = rules.routing.teams.values()
            names = {member.name for team in teams for member in team.members}
            loads = await load_loads(connection, names)
        return try_route(rules, form.question(), loads)

    return routes


async def _read_text(request: Request) -> str:
    media_type(request, YAML, *YAML_TOO)
    return _decoded(await read_body(request, most_bytes=MOST_BYTES))


async def _read_form(request: Request, *, saved_by: str, note: str) -> SaveForm:
    kind = media_type(request, YAML, *YAML_TOO, JSON)
    body = await read_body(request, most_bytes=MOST_BYTES)
    if kind != JSON:
        return SaveForm.model_construct(body=_decoded(body), saved_by=saved_by, note=note)
    try:
        return SaveForm.model_validate_json(body)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise NotText from None


def _tagged(kept: KeptRulebook, response: Response) -> RulebookText:
    response.headers["ETag"] = f'"{kept.version}"'
    return RulebookText.model_validate(kept)


def _version(tag: str) -> int | None:
    """Return the version that an entity tag names; None: whichever."""
    if tag.strip() == "*":
        return None
    number = tag.strip().removeprefix("W/").strip('"')
    if not number.isdecimal() or not number.isascii():
        raise UnreadableVersion
    return int(number)
