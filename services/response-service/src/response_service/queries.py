"""The read side: what the survey page shows."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from response_service import store
from response_service.domain.answer import Response
from response_service.domain.invitation import Invitation


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An invitation, and the answer to it if there is one."""

    invitation: Invitation
    held: Response | None


async def asked(connection: AsyncConnection, invitation_id: str) -> Asked | None:
    """Return what the page of an invitation is about; None: it has not arrived."""
    invitation = await store.load_invitation(connection, invitation_id)
    if invitation is None:
        return None
    held = await store.load_response(connection, invitation_id)
    return Asked(invitation=invitation, held=held)
