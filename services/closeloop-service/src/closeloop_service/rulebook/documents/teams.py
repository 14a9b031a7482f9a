"""Teams: who owns tasks, and who gets which."""

from datetime import date
from typing import Annotated

from pydantic import Field

from closeloop_service.domain.rules import Strategy
from closeloop_service.rulebook.documents.fields import (
    MOST,
    AttributeName,
    Document,
    Line,
    LocaleName,
    Mail,
    MatchDocument,
    Name,
)

_Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2100, 12, 31))]
"""Further away, a day has no midnight everywhere."""


class AbsenceDocument(Document):
    """Days on which a member is away, both included."""

    first: _Day = Field(alias="from", examples=["2026-12-24"])
    last: _Day = Field(alias="to", examples=["2027-01-02"])


class MemberDocument(Document):
    """Somebody who can own tasks."""

    name: Line = Field(description="As customer data and the board say it.")
    email: Mail | None = None
    languages: tuple[LocaleName, ...] = Field((), description="None: every one.")
    segments: tuple[Line, ...] = Field((), description="None: every one.")
    capacity: Annotated[int, Field(ge=0, le=10_000)] = Field(
        20, description="So many active tasks at most; 0: none are given, all can be taken."
    )
    calendar: Name | None = Field(None, description="Their own, if not the team's.")
    absences: Annotated[tuple[AbsenceDocument, ...], Field(max_length=MOST)] = ()
    target: Name | None = Field(None, description="The alert target that reaches them.")


class TeamDocument(Document):
    """People who share tasks."""

    title: Line
    calendar: Name = Field(description="Of members without one of their own.")
    strategy: Strategy = Field(Strategy.LEAST_LOADED, description="Who of those that can gets it.")
    lead: Line | None = None
    head: Line | None = None
    target: Name | None = Field(None, description="The alert target that reaches the team.")
    members: Annotated[tuple[MemberDocument, ...], Field(max_length=1000)] = ()


class RuleDocument(Document):
    """Tasks like these go to this team."""

    when: MatchDocument = MatchDocument()
    team: Name


class TeamsDocument(Document):
    """The teams, and the rules that choose between them."""

    owner_attribute: AttributeName | None = Field(
        "account_owner", description="Where customer data names the account's owner."
    )
    value_attribute: AttributeName | None = Field(
        "annual_value", description="Where it says what the customer brings in a year."
    )
    teams: Annotated[dict[Name, TeamDocument], Field(min_length=1, max_length=MOST)]
    rules: Annotated[tuple[RuleDocument, ...], Field(max_length=MOST)] = Field(
        (), description="The first that fits counts."
    )
