"""The stylesheet, the script and the icon, under names that change with their content."""

import hashlib
from importlib import resources
from typing import Final

from fastapi import APIRouter, HTTPException, Response

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_HEADERS: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}
_HASH_LENGTH: Final = 12


class Assets:
    """This package's assets, read once."""

    def __init__(self) -> None:
        self._urls: dict[str, str] = {}
        self._contents: dict[str, bytes] = {}
        for file in resources.files("heardback.console").joinpath("assets").iterdir():
            content = file.read_bytes()
            stem, _, kind = file.name.rpartition(".")
            digest = hashlib.sha256(content).hexdigest()[:_HASH_LENGTH]
            hashed = f"{stem}.{digest}.{kind}"
            self._urls[file.name] = f"/assets/{hashed}"
            self._contents[hashed] = content
        self.router: Final = APIRouter(include_in_schema=False)
        self.router.add_api_route("/assets/{name}", self._serve, response_class=Response)

    def url(self, name: str) -> str:
        """Return where `name` is served."""
        return self._urls[name]

    async def _serve(self, name: str) -> Response:
        content = self._contents.get(name)
        if content is None:
            raise HTTPException(404, "There is no such file; reload the page.")
        kind = name.rpartition(".")[2]
        return Response(content, media_type=_TYPES[kind], headers=_HEADERS)
