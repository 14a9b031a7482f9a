"""Provider budgets: a token bucket in Postgres, so that all replicas together keep to one rate."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# A share of a second is worth waiting for: a transaction for each single token is not.
_WORTH_SECONDS: Final = 0.2

# It locks the bucket until the transaction ends. A replica whose clock is a little behind adds
# nothing; one that was far ahead has left a time that would stall the bucket until it comes.
_FILL: Final = text("""
    INSERT INTO provider_budget AS b (provider, tokens, filled_at)
    VALUES (:provider, :burst, :now)
    ON CONFLICT (provider) DO UPDATE SET
        tokens = least(:burst, b.tokens + CAST(:rate AS float8)
            * greatest(0, extract(epoch FROM excluded.filled_at - b.filled_at))),
        filled_at = CASE WHEN b.filled_at > excluded.filled_at + interval '1 minute'
            THEN excluded.filled_at ELSE greatest(b.filled_at, excluded.filled_at) END
    RETURNING tokens
""")
_TAKE: Final = text("""
    UPDATE provider_budget SET tokens = tokens - :taken WHERE provider = :provider
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much a provider takes: `rate_per_second` in the long run, `burst` at once."""

    rate_per_second: float
    burst: int

    def wait_seconds(self, tokens: float) -> float:
        """Return how long until enough is there to be worth a claim."""
        worth = min(self.burst, max(1.0, self.rate_per_second * _WORTH_SECONDS))
        return max(0.0, worth - tokens) / self.rate_per_second


async def fill(
    connection: AsyncConnection, provider: str, budget: Budget, *, now: datetime
) -> float:
    """Add what time has brought; return how many tokens there are, which nobody else can take."""
    values = {
        "provider": provider,
        "rate": budget.rate_per_second,
        "burst": float(budget.burst),
        "now": now,
    }
    return float(await connection.scalar(_FILL, values) or 0)


async def take(connection: AsyncConnection, provider: str, taken: int) -> None:
    """Take tokens out of a bucket that `fill` has locked."""
    if taken:
        await connection.execute(_TAKE, {"provider": provider, "taken": taken})
