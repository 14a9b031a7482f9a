"""Record answers: decide what each changes, and leave history, events and alerts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from heardback.bulk import json_text
from heardback.contracts import registry
from heardback.db import Transaction
from heardback.surveys import Survey
from heardback.vocabulary import Channel
from response_service.domain.answer import Answer, Change, Decision, Response, decide
from response_service.domain.invitation import Invitation
from response_service.domain.judging import Reason
from response_service.domain.quarantine import Suspect
from response_service.store import responses, suspects


class Given(Struct, frozen=True, kw_only=True):
    """An answer as it came. `client`: what sent it; None: a person or system that we trust."""

    answer: Answer
    client: bytes | None
    answered_at: datetime
    channel: Channel | None = None


class Recording:
    """The answers of one transaction: folded in order, saved together at its end.

    The invitations must be locked. `held`: the responses to them.
    """

    def __init__(self, tx: Transaction, held: Mapping[str, Response]) -> None:
        self._tx = tx
        self._held = dict(held)
        self._said: list[responses.Said] = []
        self._suspects: list[Suspect] = []
        self._sent: list[tuple[Invitation, Suspect]] = []

    def held(self, invitation_id: str) -> Response | None:
        """Return the response to an invitation as it stands now, also one that was taken back."""
        return self._held.get(invitation_id)

    def record(self, invitation: Invitation, survey: Survey, given: Given) -> Decision:
        """Have an answer count; the same one again changes nothing."""
        held = self.held(invitation.invitation_id)
        decision = decide(held, given.answer, given.client)
        if decision.change is Change.NONE:
            return decision
        response = self._next(invitation, held, given, decision)
        self._held[invitation.invitation_id] = response
        self._say(invitation, survey, response, given.channel or invitation.channel)
        if decision.change is not Change.CONFIRMED:
            self._publish(invitation, survey, given, response, held)
        if decision.alert:
            self._alert(invitation, response)
        return decision

    def withdraw(self, invitation: Invitation, *, alerted: bool) -> None:
        """Have what we hold count no more; the history must be told besides.

        `alerted`: the alert holds for what counts next.
        """
        held = self._held[invitation.invitation_id]
        alert_id = held.alert_id if alerted else None
        gone = replace(held, taken_back_at=self._tx.now, alert_id=alert_id)
        self._held[invitation.invitation_id] = gone

    def hold(
        self,
        invitation: Invitation,
        given: Given,
        reasons: tuple[Reason, ...],
        *,
        counted: Response | None = None,
    ) -> None:
        """Put an answer into the quarantine. `counted`: it was what we held until now.

        One that did not count is put there once, however often it is sent.
        """
        suspect = Suspect(
            quarantine_id=self._tx.ids.new(),
            invitation_id=invitation.invitation_id,
            customer_id=invitation.customer_id,
            answer=given.answer,
            reasons=reasons,
            answered_at=given.answered_at,
            quarantined_at=self._tx.now,
            client=given.client,
            channel=given.channel or invitation.channel,
        )
        if counted is None:
            self._sent.append((invitation, suspect))
        else:
            # At once: others must hear that it is gone before they hear what counts then.
            self._quarantine(invitation, suspect, counted)

    async def save(self) -> None:
        """Write down what was recorded."""
        await responses.save(self._tx.connection, self._said)
        if self._sent:
            await self._quarantine_news()
        await suspects.insert(self._tx.connection, self._suspects)

    async def _quarantine_news(self) -> None:
        """Pass over what was sent again: the newest that waits says the same, by the same one."""
        ids = {invitation.invitation_id for invitation, _ in self._sent}
        newest = await suspects.load_newest(self._tx.connection, ids)
        newest |= {suspect.invitation_id: suspect for suspect in self._suspects}
        for invitation, suspect in self._sent:
            before = newest.get(suspect.invitation_id)
            said = (suspect.answer, suspect.client)
            if before is None or (before.answer, before.client) != said:
                newest[suspect.invitation_id] = suspect
                self._quarantine(invitation, suspect, None)

    def _quarantine(
        self, invitation: Invitation, suspect: Suspect, counted: Response | None
    ) -> None:
        held = self.held(invitation.invitation_id)
        fields = {
            **_about(invitation),
            "response_id": held.response_id if held else invitation.invitation_id,
            "survey_id": invitation.survey_id,
            "channel": suspect.channel,
            "revision": counted.revision if counted else None,
            "category": counted.answer.category if counted else None,
            "reasons": suspect.reasons,
            "quarantined_at": suspect.quarantined_at,
        }
        self._suspects.append(suspect)
        self._tx.emit_fields(
            registry.RESPONSE_QUARANTINED, fields, traceparent=invitation.traceparent
        )

    def _next(
        self, invitation: Invitation, held: Response | None, given: Given, decision: Decision
    ) -> Response:
        return Response(
            # There is one response to an invitation, so it needs no id of its own.
            response_id=held.response_id if held else invitation.invitation_id,
            revision=decision.revision,
            answer=given.answer,
            alert_id=self._tx.ids.new() if decision.alert else (held.alert_id if held else None),
            answered_at=given.answered_at,
            client=given.client,
        )

    def _say(
        self, invitation: Invitation, survey: Survey, response: Response, channel: Channel
    ) -> None:
        answer = response.answer
        said = responses.Said(
            invitation_id=invitation.invitation_id,
            revision=response.revision,
            response_id=response.response_id,
            customer_id=invitation.customer_id,
            survey_id=invitation.survey_id,
            survey_version=survey.version,
            scale=answer.scale,
            score=answer.score,
            comment=answer.comment,
            drivers=json_text(answer.drivers),
            alert_id=response.alert_id,
            answered_at=response.answered_at,
            client=response.client,
            channel=channel,
        )
        self._said.append(said)

    def _publish(
        self,
        invitation: Invitation,
        survey: Survey,
        given: Given,
        response: Response,
        held: Response | None,
    ) -> None:
        before = held.answer if held is not None and held.counts else None
        answer = response.answer
        fields = {
            **_story(invitation, response),
            "survey_id": invitation.survey_id,
            "survey_version": survey.version,
            "variant": invitation.variant,
            "channel": given.channel or invitation.channel,
            "revision": response.revision,
            "drivers": answer.drivers,
            "category": answer.category,
            "previous_category": before.category if before else None,
            "previously_commented": before is not None and before.comment is not None,
            "answered_at": response.answered_at,
        }
        event_type = registry.RESPONSE_REVISED if before else registry.RESPONSE_RECORDED
        self._tx.emit_fields(event_type, fields, traceparent=invitation.traceparent)

    def _alert(self, invitation: Invitation, response: Response) -> None:
        fields = {
            **_story(invitation, response),
            "alert_id": response.alert_id,
            "channel": invitation.channel,
            "revision": response.revision,
            "recipient": invitation.recipient,
            "alerted_at": self._tx.now,
        }
        self._tx.emit_fields(registry.DETRACTOR_ALERTED, fields, traceparent=invitation.traceparent)


def _about(invitation: Invitation) -> dict[str, Any]:
    """Return what every event says."""
    return {
        "customer_id": invitation.customer_id,
        "invitation_id": invitation.invitation_id,
        "program_id": invitation.program_id,
        "touchpoint": invitation.touchpoint,
        "segment": invitation.segment,
    }


def _story(invitation: Invitation, response: Response) -> dict[str, Any]:
    """Return what every event about an answer that counts says."""
    return {
        **_about(invitation),
        "response_id": response.response_id,
        "scale": response.answer.scale,
        "score": response.answer.score,
        "comment": response.answer.comment,
    }
