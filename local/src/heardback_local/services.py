"""The five services as the local stack runs them; the only list of them outside their folders."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from heardback.embedded.processes import HOST
from heardback.security import api_key_hash
from heardback_local.config import StackConfig
from heardback_local.state import State

_SMS_PROVIDER: Final = "mailbox"

Environment = Callable[[StackConfig, State], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service: the module to run, and what its environment has beyond the common part."""

    name: str
    module: str
    env: Environment


def url(config: StackConfig, name: str) -> str:
    """Return where a part of the stack answers HTTP."""
    return f"http://{HOST}:{config.ports.by_name()[name]}"


def sms_reply_url(config: StackConfig) -> str:
    """Return where dispatch takes the texts that customers send."""
    return f"{url(config, 'dispatch')}/callbacks/twilio/{_SMS_PROVIDER}/messages"


def _trigger(config: StackConfig, state: State) -> Mapping[str, str]:
    pages = _console(config, state)
    if config.programs is None:
        return pages
    return {**pages, "HEARDBACK_PROGRAMS_FOLDER": str(config.programs.absolute())}


def _dispatch(config: StackConfig, state: State) -> Mapping[str, str]:
    return {
        **_console(config, state),
        **_customer_facing(config, state),
        "HEARDBACK_SMTP_HOST": HOST,
        "HEARDBACK_SMTP_PORT": str(config.ports.smtp),
        "HEARDBACK_SMTP_TLS": "none",
        "HEARDBACK_SMS_PROVIDERS": json.dumps([_sms_provider(config, state)]),
        "HEARDBACK_CALLBACKS": json.dumps([_sms_callbacks(state)]),
        "HEARDBACK_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "HEARDBACK_MAIL_FROM": "Heardback <feedback@example.com>",
        "HEARDBACK_SURVEY_URL": url(config, "response"),
        "HEARDBACK_PREFERENCES_URL": url(config, "dispatch"),
    }


def _response(config: StackConfig, state: State) -> Mapping[str, str]:
    return {
        **_console(config, state),
        **_customer_facing(config, state),
        # Simulated customers say where they come from, as a proxy would.
        "HEARDBACK_TRUSTED_PROXY_HOPS": "1",
        "HEARDBACK_WIDGET_DEMO": "true",
    }


def _closeloop(config: StackConfig, state: State) -> Mapping[str, str]:
    return {
        **_console(config, state),
        "HEARDBACK_COMPANY": "Northwind",  # in whose name dispatch and response ask
        "HEARDBACK_LINK_KEYS": state.secret("link-key"),
        "HEARDBACK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }


def _customer_facing(_: StackConfig, state: State) -> Mapping[str, str]:
    key = f"hb_{state.secret('api-key')}"
    return {
        "HEARDBACK_LINK_KEYS": state.secret("link-key"),
        "HEARDBACK_API_KEYS": f"local:{api_key_hash(key)}",
        "HEARDBACK_WIDGET_ORIGINS": "*",
    }


def _sms_provider(config: StackConfig, state: State) -> Mapping[str, object]:
    return {
        "name": _SMS_PROVIDER,
        "base_url": url(config, "mailbox"),
        "account_sid": "AC00000000000000000000000000000000",
        "password": state.secret("sms-token"),
        "sender": "+15005550006",
    }


def _sms_callbacks(state: State) -> Mapping[str, object]:
    token = state.secret("sms-token")
    return {"name": _SMS_PROVIDER, "kind": "twilio", "auth_tokens": [token]}


def _console(config: StackConfig, _: State) -> Mapping[str, str]:
    return {
        "HEARDBACK_BOARD_URL": url(config, "closeloop"),
        "HEARDBACK_IMPROVEMENTS_URL": f"{url(config, 'closeloop')}/console/improvements",
        "HEARDBACK_RULES_URL": f"{url(config, 'closeloop')}/console/rulebooks",
        "HEARDBACK_DASHBOARD_URL": url(config, "insights"),
        "HEARDBACK_PROGRAMS_URL": url(config, "trigger"),
        "HEARDBACK_SURVEYS_URL": f"{url(config, 'response')}/console/surveys",
        "HEARDBACK_QUARANTINE_URL": f"{url(config, 'response')}/console/quarantine",
        "HEARDBACK_MESSAGES_URL": f"{url(config, 'dispatch')}/console/messages",
    }


SERVICES: Final = (
    Service(name="trigger", module="trigger_service", env=_trigger),
    Service(name="dispatch", module="dispatch_service", env=_dispatch),
    Service(name="response", module="response_service", env=_response),
    Service(name="closeloop", module="closeloop_service", env=_closeloop),
    Service(name="insights", module="insights_service", env=_console),
)
