"""Measure trigger: `python -m bench.trigger throughput` and `… timers` (see bench/README.md)."""

import argparse
import asyncio

from bench.options import add_options
from bench.trigger import throughput, timers


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.trigger", description=__doc__)
    what = parser.add_subparsers(dest="what")
    for name, options in (("throughput", throughput.Options()), ("timers", timers.Options())):
        add_options(what.add_parser(name), options)
    arguments = vars(parser.parse_args())
    chosen = arguments.pop("what")
    if chosen in ("throughput", None):
        asyncio.run(throughput.run(throughput.Options(**arguments)))
    if chosen in ("timers", None):
        asyncio.run(timers.run(timers.Options(**arguments)))


if __name__ == "__main__":
    main()
