"""dispatch-service: what it hears, what it serves, and the loops that send."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from fastapi import APIRouter

from dispatch_service import (
    handlers,
    in_app_api,
    outlets,
    preferences,
    suppression_api,
    webhook_api,
)
from dispatch_service.callbacks import routes as callbacks
from dispatch_service.cards import Shelf
from dispatch_service.console import routes as console
from dispatch_service.domain.conversation import WaitingFor
from dispatch_service.in_app_stream import Streams
from dispatch_service.in_app_tokens import CustomerTokens
from dispatch_service.outlets import Outlets
from dispatch_service.rendering.composers import Composers
from dispatch_service.settings import Settings
from heardback.console.pages import navigation
from heardback.contracts import registry, topics
from heardback.service import Service

_PUBLISHES: Final = (
    registry.INVITATION_SENT,
    registry.INVITATION_REMINDED,
    registry.INVITATION_BOUNCED,
    registry.INVITATION_DROPPED,
    registry.RECIPIENT_UNSUBSCRIBED,
    registry.RECIPIENT_RESUBSCRIBED,
    registry.REPLY_RECEIVED,
    registry.FOLLOW_UP_SENT,
    registry.FOLLOW_UP_FAILED,
)


def service(settings: Settings) -> Service:
    """Describe the service."""
    composers = Composers.of(
        company=settings.company,
        mail_from=settings.mail_from,
        reply_to=settings.mail_reply_to,
        survey_url=settings.survey_url,
        preferences_url=settings.preferences_url,
        link_keys=settings.link_key_list,
    )
    ways_out = outlets.outlets(settings, composers)
    shelf = Shelf(composers.cards.compose)
    streams = Streams(shelf)
    return Service(
        name="dispatch",
        package="dispatch_service",
        settings=settings,
        handlers={
            topics.SURVEY: partial(handlers.on_survey_events, served=ways_out.channels),
            topics.FOLLOW_UP: partial(handlers.on_follow_up_events, served=ways_out.channels),
            topics.RESPONSE: handlers.on_response_events,
            topics.SURVEY_VERSION: handlers.on_survey_version_events,
        },
        publishes=_PUBLISHES,
        timers={
            WaitingFor.REMINDER: handlers.on_reminders_due,
            WaitingFor.FALLBACK: partial(handlers.on_fallbacks_due, served=ways_out.channels),
        },
        routers=[
            preferences.router(settings),
            suppression_api.routes,
            callbacks.router(settings),
            webhook_api.router(settings.webhook_networks),
            _in_app(settings, shelf, streams),
            *_console(settings, composers, ways_out),
        ],
        loops=[*outlets.loops(settings, ways_out), streams.loop],
    )


def _in_app(settings: Settings, shelf: Shelf, streams: Streams) -> APIRouter:
    in_app = in_app_api.InApp(
        tokens=CustomerTokens(settings.link_key_list),
        shelf=shelf,
        streams=streams,
        base_url=settings.preferences_url,
    )
    return in_app_api.router(in_app, origins=settings.widget_origin_list)


def _console(settings: Settings, composers: Composers, ways_out: Outlets) -> Sequence[APIRouter]:
    links = navigation(settings)
    return console.routers(composers=composers, adapters=ways_out.adapters, navigation=links)
