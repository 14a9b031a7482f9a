"""The rules in force, made once for each version."""

from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.rules import Rules
from closeloop_service.rulebook.compiling import compile_rules
from closeloop_service.rulebook.shelf import load_shelf
from closeloop_service.store import rulebooks


class Keeper:
    """Knows the rules in force. One a process is enough; it keeps the newest it has seen."""

    def __init__(self) -> None:
        self._rules: Rules | None = None

    async def in_force(self, connection: AsyncConnection) -> Rules:
        """Return the rules, as of this transaction.

        Raises: RulesUnreadable, when a newer release has saved them; wait to be replaced.
        """
        version = await rulebooks.newest_version(connection)
        if self._rules is None or self._rules.version != version:
            shelf = await load_shelf(connection)
            self._rules = compile_rules(shelf.books(), version=shelf.version)
        return self._rules
