"""The five services as the local stack runs them; the only list of them outside their folders."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from heardback.embedded.processes import HOST
from heardback_local.config import StackConfig
from heardback_local.state import State

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


def _trigger(config: StackConfig, state: State) -> Mapping[str, str]:
    pages = _console(config, state)
    if config.programs is None:
        return pages
    return {**pages, "HEARDBACK_PROGRAMS_FOLDER": str(config.programs.absolute())}


def _dispatch(config: StackConfig, state: State) -> Mapping[str, str]:
    return {
        "HEARDBACK_SMTP_HOST": HOST,
        "HEARDBACK_SMTP_PORT": str(config.ports.smtp),
        "HEARDBACK_SMTP_TLS": "none",
        "HEARDBACK_MAIL_FROM": "Heardback <feedback@example.com>",
        "HEARDBACK_SURVEY_URL": url(config, "response"),
        "HEARDBACK_PREFERENCES_URL": url(config, "dispatch"),
        "HEARDBACK_LINK_KEYS": state.secret("link-key"),
    }


def _response(_: StackConfig, state: State) -> Mapping[str, str]:
    return {"HEARDBACK_LINK_KEYS": state.secret("link-key")}


def _console(config: StackConfig, _: State) -> Mapping[str, str]:
    return {
        "HEARDBACK_BOARD_URL": url(config, "closeloop"),
        "HEARDBACK_DASHBOARD_URL": url(config, "insights"),
        "HEARDBACK_PROGRAMS_URL": url(config, "trigger"),
    }


SERVICES: Final = (
    Service(name="trigger", module="trigger_service", env=_trigger),
    Service(name="dispatch", module="dispatch_service", env=_dispatch),
    Service(name="response", module="response_service", env=_response),
    Service(name="closeloop", module="closeloop_service", env=_console),
    Service(name="insights", module="insights_service", env=_console),
)
