"""The ways out of the house that the settings name, and the loops that send over them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from dispatch_service import moves
from dispatch_service.adapters.in_app import InAppAdapter
from dispatch_service.adapters.interface import Adapter
from dispatch_service.adapters.sms import SmsAdapter, SmsRoute
from dispatch_service.adapters.smtp import SmtpAdapter, SmtpRoute
from dispatch_service.adapters.webhook import WebhookAdapter
from dispatch_service.endpoints import KnownEndpoints
from dispatch_service.handlers import ALL_CHANNELS
from dispatch_service.provider_settings import SmsProvider, SmtpProvider
from dispatch_service.rendering.composers import Composers
from dispatch_service.sending.budget import Budget
from dispatch_service.sending.closed import Closed
from dispatch_service.sending.failover import Outlet
from dispatch_service.sending.sender import Pace, Sender
from dispatch_service.settings import Settings
from dispatch_service.surveys import Surveys
from heardback.service import Run, Runtime
from heardback.vocabulary import Channel

_TEXT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """The providers of each channel that has one, in the order in which they are tried.

    Webhooks need the database, so theirs is made once the process has it.
    """

    ready: Mapping[Channel, Sequence[Outlet]]
    webhook: Callable[[Runtime], Outlet]

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels that lead out of the house."""
        return frozenset({*self.ready, Channel.WEBHOOK})

    @property
    def adapters(self) -> Mapping[Channel, Sequence[Adapter[Any]]]:
        """What can be tried out."""
        return {
            channel: [outlet.adapter for outlet in found] for channel, found in self.ready.items()
        }

    def of(self, channel: Channel, runtime: Runtime) -> Sequence[Outlet]:
        """Return the providers of a channel."""
        return [self.webhook(runtime)] if channel is Channel.WEBHOOK else self.ready[channel]


def outlets(settings: Settings, composers: Composers) -> Outlets:
    """Return the ways out."""
    ready = {
        Channel.EMAIL: [_mail(settings, found, composers) for found in settings.mail_providers],
        Channel.SMS: [_text(settings, found, composers) for found in settings.sms_providers],
        Channel.IN_APP: [Outlet(adapter=InAppAdapter(compose=composers.cards.compose))],
    }
    return Outlets(
        ready={channel: found for channel, found in ready.items() if found},
        webhook=partial(_webhook, settings, composers),
    )


def loops(settings: Settings, ways_out: Outlets) -> list[Callable[[Runtime], Run]]:
    """Return the loops that send, one for each channel; together they keep to the permits.

    A channel that leads nowhere has one too, which drops what waits in it.
    """
    permits = asyncio.Semaphore(settings.uncertain_sends)
    made: list[Callable[[Runtime], Run]] = [
        partial(_sender, settings, permits, ways_out, channel)
        for channel in sorted(ways_out.channels)
    ]
    made.extend(partial(_closed, channel) for channel in sorted(ALL_CHANNELS - ways_out.channels))
    return made


def _closed(channel: Channel, runtime: Runtime) -> Run:
    check = runtime.health.check(f"closed {channel}")
    return Closed(database=runtime.database, check=check, channel=channel).run


def _sender(
    settings: Settings,
    permits: asyncio.Semaphore,
    ways_out: Outlets,
    channel: Channel,
    runtime: Runtime,
) -> Run:
    pace = Pace(
        batch_size=settings.batch_size,
        uncertain=settings.uncertain_sends,
        lease=timedelta(seconds=settings.send_lease_seconds),
    )
    sender = Sender(
        database=runtime.database,
        bell=runtime.doorbell.bell(moves.bell_of(channel)),
        check=runtime.health.check(f"sender of {channel}"),
        surveys=Surveys(),
        outlets=ways_out.of(channel, runtime),
        permits=permits,
        pace=pace,
    )
    return sender.run


def _mail(settings: Settings, provider: SmtpProvider, composers: Composers) -> Outlet:
    route = SmtpRoute(
        host=provider.host,
        port=provider.port,
        username=provider.username,
        password=provider.password.get_secret_value() if provider.password else None,
        tls=provider.tls,
        ca_file=provider.ca_file,
        timeout_seconds=settings.smtp_timeout_seconds,
        answer_seconds=max(settings.smtp_timeout_seconds, settings.send_lease_seconds / 2),
        greeting_name=composers.mail.domain,
    )
    adapter = SmtpAdapter(
        provider.name,
        route=route,
        at_once=provider.connections,
        compose=composers.mail.compose,
    )
    return Outlet(adapter=adapter, budget=_budget(provider))


def _text(settings: Settings, provider: SmsProvider, composers: Composers) -> Outlet:
    base = (settings.callbacks_url or settings.preferences_url).rstrip("/")
    route = SmsRoute(
        name=provider.name,
        base_url=provider.base_url,
        account_sid=provider.account_sid,
        username=provider.username or provider.account_sid,
        password=provider.password.get_secret_value(),
        sender=provider.sender,
        is_service=provider.is_service,
        callback_url=f"{base}/callbacks/twilio/{provider.name}/statuses",
        idempotency_header=provider.idempotency_header,
        timeout_seconds=min(_TEXT_SECONDS, settings.send_lease_seconds / 2),
        connections=provider.connections,
    )
    adapter = SmsAdapter(route, compose=composers.sms.compose)
    return Outlet(adapter=adapter, budget=_budget(provider))


def _webhook(settings: Settings, composers: Composers, runtime: Runtime) -> Outlet:
    adapter = WebhookAdapter(
        KnownEndpoints(runtime.database),
        compose=composers.webhook.compose,
        allowed=settings.webhook_networks,
    )
    return Outlet(adapter=adapter)


def _budget(provider: SmtpProvider | SmsProvider) -> Budget | None:
    if provider.rate_per_second is None:
        return None
    burst = provider.burst or max(1, round(provider.rate_per_second))
    return Budget(rate_per_second=provider.rate_per_second, burst=burst)
