"""The command of a service, `python -m <package>`: run it, or bring its schema up to date.

Most of what a process does until it is ready is to import; `migrate` does without the service's own
code.
"""

import asyncio
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

import structlog
import uvloop
from pydantic import ValidationError
from pydantic_settings import SettingsError

from heardback import migrations
from heardback.clock import SystemClock
from heardback.errors import Permanent
from heardback.ids import TimeOrderedIds
from heardback.settings import ServiceSettings
from heardback.telemetry import set_up_logs, set_up_telemetry

if TYPE_CHECKING:
    from heardback.service import Service

_log = structlog.get_logger(__name__)


def main(name: str, kind: type[ServiceSettings]) -> None:
    """Run the service `name`, or with the argument `migrate` bring its schema up to date.

    Its package is `<name>_service`, where `app.service(settings)` describes it. `kind`: what it
    reads from the environment. Ends the process with a line that says what to do where it can't.
    """
    package = f"{name}_service"
    arguments = sys.argv[1:]
    if arguments not in ([], ["migrate"]):
        sys.exit(f"python -m {package} runs it, python -m {package} migrate makes its tables.")
    settings = _read(kind)
    set_up_logs(name, log_format=settings.log_format, level=settings.log_level)
    if arguments:
        asyncio.run(migrations.upgrade(settings.database_url, schema=name, package=package))
    else:
        _run(_load(package, settings))


def _read(kind: type[ServiceSettings]) -> ServiceSettings:
    try:
        return kind()
    except ValidationError as error:
        # Not what was given: a secret may be in it.
        wrong = [f"{_where(fault['loc'])}: {fault['msg']}" for fault in error.errors()]
    except SettingsError as error:
        wrong = [f"{error}: it is not JSON"]
    sys.exit("\n  ".join(["Set these in the environment:", *wrong]))


def _where(path: tuple[int | str, ...]) -> str:
    """Return the variable that a setting is read from, and the place inside."""
    name, *inside = [str(part) for part in path] or ["*"]
    return " ".join([f"{ServiceSettings.model_config['env_prefix']}{name.upper()}", *inside])


def _load(package: str, settings: ServiceSettings) -> "Service":
    with _calm_garbage_collector():
        service: Service = import_module(f"{package}.app").service(settings)
    return service


@contextmanager
def _calm_garbage_collector() -> Iterator[None]:
    """Have the collector look less often, and never at what is imported inside.

    A batch makes tens of thousands of objects that live until its commit, hardly any in circles. At
    Python's own threshold of 700 the collector walks all of them again and again, which takes a
    third of the processor's time; at this one, hardly ever in the middle of a batch.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.set_threshold(200_000, 10, 10)
    gc.enable()


def _run(service: "Service") -> None:
    from heardback.service import run

    set_up_telemetry(service.name, otlp_endpoint=service.settings.otlp_endpoint)
    refusals: tuple[BaseException, ...] = ()
    try:
        uvloop.run(run(service, clock=SystemClock(), ids=TimeOrderedIds()))
    except* Permanent as refused:
        refusals = refused.exceptions
    # Not inside the handler: Python before 3.11.4 would wrap the exit in another group.
    for refusal in refusals:
        _log.error("refused_to_start", error=str(refusal))
    if refusals:
        sys.exit(1)
