"""Measure closeloop: `python -m bench.closeloop` (see bench/README.md)."""

import argparse
import asyncio

from bench.closeloop import timers
from bench.options import add_options


def main() -> None:
    """Measure the timers."""
    parser = argparse.ArgumentParser(prog="python -m bench.closeloop", description=__doc__)
    add_options(parser, timers.Options())
    asyncio.run(timers.run(timers.Options(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
