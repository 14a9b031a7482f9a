"""Sends one message to its target, and notes how that ended."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import structlog
from pydantic import SecretStr

from closeloop_service import metrics
from closeloop_service.domain.alerting import OpsAlert
from closeloop_service.domain.rules import AlertKind, AlertTarget, Rules, TargetKind
from closeloop_service.ops_alerts import pagerduty, slack, teams, webhook
from closeloop_service.ops_alerts.interface import (
    Adapter,
    Letter,
    Outcome,
    TargetUnusable,
    Verdict,
    verdict_of,
    without,
)
from closeloop_service.ops_alerts.links import Links
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import alert_messages
from closeloop_service.store.alert_messages import Claimed, What
from closeloop_service.store.alerts import raise_alerts
from heardback.calls.guard import GuardedBackend, Network
from heardback.calls.http import Caller
from heardback.db import Database, Transaction
from heardback.retrying import Backoff

TIMEOUT_SECONDS: Final = 10.0
_log = structlog.get_logger(__name__)
_ADAPTERS: Final[Mapping[TargetKind, Adapter]] = {
    TargetKind.SLACK: slack.ADAPTER,
    TargetKind.TEAMS: teams.ADAPTER,
    TargetKind.PAGERDUTY: pagerduty.ADAPTER,
    TargetKind.WEBHOOK: webhook.ADAPTER,
}
_BACKOFF: Final = Backoff(first_seconds=15, longest_seconds=600)
_GIVE_UP_AFTER: Final = timedelta(hours=24)
_MOST_DOUBTS: Final = 5
"""So often a message may have been taken without our hearing so, by who knows no repeats."""


class Courier:
    """Takes messages to their targets. `secrets`: by the names that the rulebook calls them."""

    def __init__(
        self,
        *,
        database: Database,
        keeper: Keeper,
        secrets: Mapping[str, SecretStr],
        links: Links,
        allowed: Sequence[Network] = (),
    ) -> None:
        """`allowed`: networks of our own in which targets may be."""
        self._database = database
        self._keeper = keeper
        self._secrets = secrets
        self._links = links
        self._allowed = allowed

    async def send(self, claimed: Claimed) -> Verdict:
        """Send a message; whatever its target says is a verdict."""
        async with self._database.read() as connection:
            rules = await self._keeper.in_force(connection)
        target = rules.alerting.targets.get(claimed.target_id)
        if target is None:
            return _refused(f"there is no target {claimed.target_id} any more")
        secret = self._secrets.get(target.secret)
        if secret is None:
            return _refused(f"there is no secret {target.secret}; set it in HEARDBACK_SECRETS")
        adapter = _ADAPTERS[target.kind]
        if claimed.doubts and not adapter.knows_repeats:
            if claimed.doubts >= _MOST_DOUBTS:
                return _refused(f"no answer {claimed.doubts} times; it may have arrived")
            _log.warning("possible_duplicate", target=target.target_id)
            metrics.POSSIBLE_DUPLICATE_ALERTS.add(1, {"kind": target.kind.value})
        try:
            call = adapter.compose(self._letter(claimed), target, secret.get_secret_value())
        except TargetUnusable as error:
            return _refused(str(error))
        caller = Caller(timeout_seconds=TIMEOUT_SECONDS, backend=GuardedBackend(self._allowed))
        try:
            heard = await caller.post(call.url, headers=call.headers, content=call.content)
        finally:
            await caller.close()
        return verdict_of(without(heard, secret.get_secret_value()), self._database.clock.now())

    async def record(self, claimed: Claimed, verdict: Verdict) -> None:
        """Note how sending ended, and when to try again."""
        async with self._database.transaction() as tx:
            rules = await self._keeper.in_force(tx.connection)
            outcome = verdict.outcome
            if outcome is Outcome.LATER and tx.now - claimed.made_at >= _GIVE_UP_AFTER:
                outcome = Outcome.REFUSED
            if outcome is Outcome.TAKEN:
                await alert_messages.settle(tx, claimed, state="sent", fault=None)
            elif outcome is Outcome.REFUSED:
                await self._give_up(tx, rules, claimed, verdict)
            else:
                await self._put_off(tx, claimed, verdict)
        target = rules.alerting.targets.get(claimed.target_id)
        _log_unless_taken(claimed, outcome, verdict)
        metrics.ALERT_MESSAGES.add(1, {"kind": _kind_of(target), "outcome": outcome.value})

    async def _put_off(self, tx: Transaction, claimed: Claimed, verdict: Verdict) -> None:
        seconds = _BACKOFF.seconds(claimed.attempts - 1)
        wait = timedelta(seconds=max(seconds, verdict.retry_after_seconds or 0))
        await alert_messages.put_off(
            tx, claimed, at=tx.now + wait, fault=verdict.detail, in_doubt=verdict.in_doubt
        )

    async def _give_up(
        self, tx: Transaction, rules: Rules, claimed: Claimed, verdict: Verdict
    ) -> None:
        """Mark the message as failed, and tell the other targets, once until it works again."""
        if not await alert_messages.settle(tx, claimed, state="failed", fault=verdict.detail):
            return
        if claimed.target_id not in rules.alerting.targets:
            return  # it was taken out on purpose
        if await alert_messages.failed_before(tx.connection, claimed):
            return
        others = tuple(name for name in rules.alerting.targets if name != claimed.target_id)
        alert = OpsAlert(
            alert_key=f"target_failed/{claimed.message_id}",
            kind=AlertKind.TARGET_FAILED,
            title=f"Alerts no longer reach {claimed.target_id}",
            text=f"It says: {verdict.detail}. What was for it stands in the list of alerts.",
            targets=others,
        )
        await raise_alerts(tx, rules, [alert])

    def _letter(self, claimed: Claimed) -> Letter:
        link = self._links.acknowledge(claimed.message_id, claimed.made_at)
        return Letter(
            message_id=claimed.message_id,
            what=claimed.what,
            content=claimed.content,
            made_at=claimed.made_at,
            now=self._database.clock.now(),
            board_url=self._links.board_url,
            acknowledge_url=link if claimed.what is What.ALERTS else None,
            incident=claimed.incident,
        )


def _refused(detail: str) -> Verdict:
    return Verdict(outcome=Outcome.REFUSED, detail=detail)


def _kind_of(target: AlertTarget | None) -> str:
    return "gone" if target is None else target.kind.value


def _log_unless_taken(claimed: Claimed, outcome: Outcome, verdict: Verdict) -> None:
    if outcome is not Outcome.TAKEN:
        said = {"target": claimed.target_id, "message_id": claimed.message_id}
        _log.warning("alert_not_taken", **said, outcome=outcome.value, detail=verdict.detail)
