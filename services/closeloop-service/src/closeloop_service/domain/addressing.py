"""To which targets an alert goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from closeloop_service.domain.alerting import OpsAlert
from closeloop_service.domain.rules import AlertKind, AlertRoute, Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Which targets there are, and who and what leads to them."""

    known: frozenset[str]
    routes: Sequence[AlertRoute]
    people: Mapping[str, str]
    teams: Mapping[str, str]

    @classmethod
    def of(cls, rules: Rules) -> "Addresses":
        """Return the addresses that the rules name. Of a person in two teams the first counts."""
        teams = rules.routing.teams.values()
        members = [member for team in teams for member in team.members]
        return cls(
            known=frozenset(rules.alerting.targets),
            routes=rules.alerting.routes,
            people={m.name: m.target for m in reversed(members) if m.target is not None},
            teams={team.team_id: team.target for team in teams if team.target is not None},
        )

    def targets(self, alert: OpsAlert) -> list[str]:
        """Return the targets that an alert goes to, each once.

        That a target fails is told where the alert says: routes might lead to that very target.
        """
        found = (
            [*alert.targets]
            if alert.kind is AlertKind.TARGET_FAILED
            else [
                *alert.targets,
                *(route.target_id for route in self.routes if _fits(route, alert)),
                *(self.teams.get(team) for team in alert.teams),
                *(self.people.get(name) for name in alert.people),
            ]
        )
        return [target for target in dict.fromkeys(found) if target in self.known]


def _fits(route: AlertRoute, alert: OpsAlert) -> bool:
    return alert.kind in route.kinds and (not route.teams or alert.team in route.teams)
