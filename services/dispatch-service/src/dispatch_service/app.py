"""dispatch-service: what it hears, what it serves, and the loop that sends."""

from datetime import timedelta
from functools import partial

from dispatch_service import api, handlers
from dispatch_service.mail import Composer
from dispatch_service.sender import Pace, Sender
from dispatch_service.settings import Settings
from dispatch_service.smtp import Line, Provider
from heardback.contracts import registry, topics
from heardback.service import Run, Runtime, Service


def service(settings: Settings) -> Service:
    """Describe the service."""
    return Service(
        name="dispatch",
        package="dispatch_service",
        settings=settings,
        handlers={topics.SURVEY: handlers.on_survey_events},
        publishes=[
            registry.INVITATION_SENT,
            registry.INVITATION_BOUNCED,
            registry.INVITATION_DROPPED,
            registry.RECIPIENT_UNSUBSCRIBED,
        ],
        routers=[api.router(settings)],
        loops=[partial(sender, settings)],
    )


def sender(settings: Settings, runtime: Runtime) -> Run:
    """Return the loop that sends."""
    composer = Composer(
        company=settings.company,
        mail_from=settings.mail_from,
        survey_url=settings.survey_url,
        preferences_url=settings.preferences_url,
        link_keys=settings.link_key_list,
    )
    provider = Provider(
        host=settings.smtp_host,
        port=settings.smtp_port,
        username=settings.smtp_username,
        password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
        tls=settings.smtp_tls,
        timeout_seconds=settings.smtp_timeout_seconds,
        greeting_name=composer.domain,
    )
    pace = Pace(
        connections=settings.smtp_connections,
        batch_size=settings.batch_size,
        lease=timedelta(seconds=settings.send_lease_seconds),
        mail_timeout=timedelta(seconds=settings.smtp_timeout_seconds),
    )
    return Sender(
        database=runtime.database,
        bell=runtime.doorbell.bell(handlers.SENDING),
        check=runtime.health.check("sender"),
        composer=composer,
        open_line=partial(Line, provider),
        pace=pace,
    ).run
