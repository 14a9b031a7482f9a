"""The HTTP of the rulebooks keeps to its OpenAPI document, whatever it is sent."""

from pathlib import Path

from fastapi import FastAPI

from heardback.testing.openapi import check_contract

DRAFTS = "drafts are rulebooks, which their own schemas describe"


async def test_http_keeps_to_its_contract_whatever_it_is_sent(app: FastAPI, tmp_path: Path) -> None:
    await check_contract(
        app,
        tmp_path,
        api_key="none",
        known={"path.version": ["0"]},
        beyond_schemas={
            "save_rulebook": "a text says a rulebook, which its own schema describes",
            "preview_policy": DRAFTS,
            "preview_route": DRAFTS,
        },
    )
