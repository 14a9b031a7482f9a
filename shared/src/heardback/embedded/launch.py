"""Run as a script: drop privileges, ask to die with the parent, and become the given program.

A script and not a `preexec_fn`: Python code between fork and exec may deadlock in a process that
has threads. The order matters too: a change of user clears the parent-death signal.
"""

import ctypes
import os
import sys

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


def main(arguments: list[str]) -> None:
    """Become `arguments[4:]`, given the parent's pid, the signal, the user's and group's ids."""
    parent, death_signal, uid, gid = (int(value) for value in arguments[:4])
    command = arguments[4:]
    if uid != os.geteuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, death_signal)
    if os.getppid() != parent:
        raise SystemExit("the parent died first")
    os.execv(command[0], command)  # noqa: S606  # replaces this script, no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
