"""The pages of a running stack that are worth opening."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its title, the part that serves it and where, and what it shows."""

    title: str
    part: str
    path: str
    what: str


PAGES: Final = (
    Page("Mailbox", "mailbox", "/", "the mail that customers get; open one and answer it yourself"),
    Page("Owner board", "closeloop", "/", "who waits to be heard back, by the time that is left"),
    Page("Rules", "closeloop", "/console/rulebooks", "clocks, teams, playbooks; with a preview"),
    Page("Dashboard", "insights", "/", "the Net Promoter Score and the funnel"),
    Page("Programs", "trigger", "/", "whom to ask, when, and why not; change one and preview it"),
    Page("Surveys", "response", "/console/surveys", "what is asked, in which words and languages"),
    Page("Messages", "dispatch", "/console/messages", "what customers get; send yourself one"),
    Page("Quarantine", "response", "/console/quarantine", "answers that look like a machine's"),
)
DOCUMENTED: Final = ("trigger", "dispatch", "response", "closeloop", "insights")
"""Those whose HTTP API has a page at `/docs`."""
