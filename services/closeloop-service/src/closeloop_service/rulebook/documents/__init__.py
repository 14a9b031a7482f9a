"""The documents as people write them. What they mean is worked out in `compiling`."""

from closeloop_service.rulebook.documents.alerts import AlertsDocument
from closeloop_service.rulebook.documents.calendars import CalendarsDocument
from closeloop_service.rulebook.documents.fields import Document
from closeloop_service.rulebook.documents.improvements import ImprovementsDocument
from closeloop_service.rulebook.documents.playbooks import PlaybooksDocument
from closeloop_service.rulebook.documents.policies import PoliciesDocument
from closeloop_service.rulebook.documents.teams import TeamsDocument

__all__ = [
    "AlertsDocument",
    "CalendarsDocument",
    "Document",
    "ImprovementsDocument",
    "PlaybooksDocument",
    "PoliciesDocument",
    "TeamsDocument",
]
