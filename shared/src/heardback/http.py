"""What every service's HTTP app has: health, metrics, and errors as RFC 9457 problems."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from heardback.db import Database, is_transient
from heardback.errors import (
    Conflict,
    HeardbackError,
    Invalid,
    NotFound,
    Retryable,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    UnsupportedMedia,
)
from heardback.health import Health
from heardback.security import ApiKeys

_STATUS: Final[dict[type[HeardbackError], int]] = {
    Unauthorized: 401,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    UnsupportedMedia: 415,
    Invalid: 422,
    TooManyRequests: 429,
    Retryable: 503,
}
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_RETRY_AFTER_SECONDS: Final = "2"
_PROBLEM: Final = {
    "description": "A problem (RFC 9457). `errors` says which fields are wrong, where any are.",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "errors": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["field", "message"],
                            "properties": {
                                "field": {"type": "string"},
                                "message": {"type": "string"},
                            },
                        },
                    },
                },
            }
        }
    },
}


def build_app(
    *,
    name: str,
    database: Database,
    health: Health,
    routers: Sequence[APIRouter],
    api_keys: str = "",
) -> FastAPI:
    """Return the HTTP app of a service. `api_keys`: as the setting says them."""
    # The page of the API comes with its own assets: it works where there is no internet.
    app = FastAPIOffline(
        title=f"Heardback {name}", version="1", redoc_url=None, responses={"default": _PROBLEM}
    )
    app.state.database = database
    app.state.health = health
    app.state.routers = routers
    app.state.api_keys = ApiKeys.parse(api_keys)
    app.include_router(_operations)
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(HeardbackError, _on_heardback_error)
    app.add_exception_handler(SQLAlchemyError, _on_outage)
    app.add_exception_handler(OSError, _on_outage)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    return app


def _database(request: Request) -> Database:
    return cast("Database", request.app.state.database)


DatabaseOf = Annotated[Database, Depends(_database)]
"""The service's database, in a route."""

_bearer: Final = HTTPBearer(
    auto_error=False, description="An API key, as `heardback api-key` makes it."
)


def api_key(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> str:
    """Return the name of the system that calls, by its key.

    Raises: Unauthorized; it has none that we know, or no keys are set.
    """
    keys = cast("ApiKeys", request.app.state.api_keys)
    name = keys.name_of(credentials.credentials) if credentials else None
    if name is None:
        raise Unauthorized
    return name


ApiKeyOf = Annotated[str, Depends(api_key)]
"""Who calls, in a route that only trusted systems may use."""


def problem(
    status: int, kind: str, title: str, /, *, detail: str | None = None, **members: Any
) -> JSONResponse:
    """Return a problem (RFC 9457). `kind` is its stable name; `members` say more."""
    body = {"type": f"urn:heardback:problem:{kind}", "title": title, "status": status}
    if detail is not None:
        body["detail"] = detail
    headers = {"Retry-After": _RETRY_AFTER_SECONDS} if status == 503 else None
    return JSONResponse(
        {**body, **jsonable_encoder(members), **body},  # no member takes the place of these
        status,
        headers=headers,
        media_type="application/problem+json",
    )


def problem_of(error: HeardbackError) -> JSONResponse:
    """Return the problem that an error becomes at the edge."""
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 400)
    kind = re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()
    response = problem(status, kind, error.message, **error.attributes)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


async def _on_heardback_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HeardbackError)
    return problem_of(error)


async def _on_outage(_request: Request, error: Exception) -> Response:
    if not is_transient(error):
        raise error
    return problem(503, "unavailable", "A part that this needs is away. Try again shortly.")


async def _on_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"field": ".".join(str(part) for part in fault["loc"]), "message": fault["msg"]}
        for fault in error.errors()
    ]
    return problem(422, "invalid-request", "The request does not fit.", errors=errors)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http")
    response = problem(error.status_code, kind, str(error.detail))
    response.headers.update(error.headers or {})
    if error.status_code == 405:
        response.headers["Allow"] = ", ".join(_methods_of(request))
    return response


def _methods_of(request: Request) -> list[str]:
    """Return the methods that the path takes: each has a route of its own, which knows one."""
    routes = request.app.router.routes
    return [
        method
        for method in _METHODS
        for scope in [{**request.scope, "method": method}]
        if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]


_operations = APIRouter(tags=["operations"])


@_operations.get("/livez")
async def livez() -> dict[str, bool]:
    """Answer: the process is alive."""
    return {"alive": True}


@_operations.get("/readyz")
async def readyz(request: Request) -> Response:
    """Tell whether each part works, or why not (503)."""
    health = cast("Health", request.app.state.health)
    report = {"ready": health.ready, "checks": health.report()}
    return JSONResponse(report, 200 if health.ready else 503)


@_operations.get("/metrics", response_class=Response)
async def metrics() -> Response:
    """Return the metrics in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
