"""Measure everything, or one service: `python -m bench [trigger|dispatch|response|closeloop]`."""

import subprocess
import sys

_ALL = ("trigger", "dispatch", "response", "closeloop")


def main() -> int:
    """Run each benchmark as a process of its own; return the first failure's code."""
    named, rest = sys.argv[1:2], sys.argv[2:]
    if named and named[0] not in _ALL:
        print(f"There are {', '.join(_ALL)}; leave it out for all of them.")
        return 2
    for name in named or _ALL:
        code = subprocess.run(
            [sys.executable, "-m", f"bench.{name}", *rest], check=False
        ).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
