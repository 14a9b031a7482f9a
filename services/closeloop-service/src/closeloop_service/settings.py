"""What closeloop reads from the environment."""

from datetime import timedelta

from pydantic import Field

from closeloop_service.domain.sla import SlaPolicy
from heardback.settings import ServiceSettings
from heardback.vocabulary import SlaClock


class Settings(ServiceSettings):
    """The settings of every service, the two targets, and where the console's pages are."""

    board_url: str = "/"
    first_response_seconds: float = Field(
        default=14_400, gt=0, description="Until somebody must have contacted the customer."
    )
    resolution_seconds: float = Field(
        default=172_800, gt=0, description="Until the task must be resolved."
    )
    sla_warning_share: float = Field(
        default=0.75, gt=0, lt=1, description="The share of a target after which it warns."
    )

    @property
    def sla_policy(self) -> SlaPolicy:
        """The policy of every task."""
        return SlaPolicy(
            targets={
                SlaClock.FIRST_RESPONSE: timedelta(seconds=self.first_response_seconds),
                SlaClock.RESOLUTION: timedelta(seconds=self.resolution_seconds),
            },
            warning_share=self.sla_warning_share,
        )
