"""Views that somebody kept under a name: in a cookie of their browser, as links."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode

from fastapi import Request, Response

from heardback.errors import Invalid

_COOKIE: Final = "views"
_MOST: Final = 12
_MOST_BYTES: Final = 3_500
_YEAR_SECONDS: Final = 31_536_000


class TooManyViews(Invalid):
    """This browser keeps no more views; forget one first."""


def kept_views(request: Request) -> dict[str, str]:
    """Return the query of each view that this browser keeps, by its name."""
    pairs = parse_qsl(request.cookies.get(_COOKIE, ""), max_num_fields=None)
    return {name: query for name, query in pairs[:_MOST] if name.isprintable()}


def keep_views(answer: Response, views: Mapping[str, str]) -> Response:
    """Have the browser keep `views`.

    Raises: TooManyViews.
    """
    value = urlencode(views)
    if len(views) > _MOST or len(value) > _MOST_BYTES:
        raise TooManyViews
    answer.set_cookie(_COOKIE, value, max_age=_YEAR_SECONDS, httponly=True, samesite="lax")
    return answer
