"""What can be wrong with a command."""

from heardback.errors import Conflict, NotFound


class TaskNotFound(NotFound):
    """There is no task under this id."""

    task_id: str


class MoveNotAllowed(Conflict):
    """The task's state does not allow this; `allowed` names what it allows."""

    task_id: str
    state: str
    move: str
    allowed: list[str]


class TaskChanged(Conflict):
    """The task changed since you read it; read it again, then decide."""

    task_id: str
    version: int
