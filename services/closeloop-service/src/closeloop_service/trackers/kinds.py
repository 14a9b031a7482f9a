"""Every kind of tracker, once: who calls it, and who reads what it calls us with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from closeloop_service.domain.rules import Tracker, TrackerKind
from closeloop_service.trackers import hooks
from closeloop_service.trackers.asana import Asana
from closeloop_service.trackers.github import GitHub
from closeloop_service.trackers.hooks import HookCall, HookHeard
from closeloop_service.trackers.interface import TrackerClient
from closeloop_service.trackers.jira import Jira
from closeloop_service.trackers.linear import Linear
from closeloop_service.trackers.webhook import WebhookTracker
from heardback.calls.http import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is particular to one kind of tracker."""

    client: Callable[[Tracker, str, Caller, datetime], TrackerClient]
    heard: Callable[[HookCall, Sequence[str]], HookHeard]


KINDS: Final[Mapping[TrackerKind, Kind]] = {
    TrackerKind.JIRA: Kind(client=Jira.of, heard=hooks.jira),
    TrackerKind.GITHUB: Kind(client=GitHub.of, heard=hooks.github),
    TrackerKind.LINEAR: Kind(client=Linear.of, heard=hooks.linear),
    TrackerKind.ASANA: Kind(client=Asana.of, heard=hooks.asana),
    TrackerKind.WEBHOOK: Kind(client=WebhookTracker.of, heard=hooks.webhook),
}
