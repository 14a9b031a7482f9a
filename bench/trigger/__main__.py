"""Measure trigger: `python -m bench.trigger throughput` and `… timers` (see bench/README.md)."""

import argparse
import asyncio
import dataclasses
from typing import Any

from bench.trigger import throughput, timers


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.trigger", description=__doc__)
    what = parser.add_subparsers(dest="what")
    for name, options in (("throughput", throughput.Options()), ("timers", timers.Options())):
        _add_options(what.add_parser(name), options)
    arguments = vars(parser.parse_args())
    chosen = arguments.pop("what")
    if chosen in ("throughput", None):
        asyncio.run(throughput.run(throughput.Options(**arguments)))
    if chosen in ("timers", None):
        asyncio.run(timers.run(timers.Options(**arguments)))


def _add_options(parser: argparse.ArgumentParser, options: Any) -> None:
    for field in dataclasses.fields(options):
        default, flag = getattr(options, field.name), f"--{field.name.replace('_', '-')}"
        if isinstance(default, tuple):
            kind = type(default[0]) if default else str
            parser.add_argument(flag, nargs="*", type=kind, default=default)
        else:
            parser.add_argument(flag, type=type(default), default=default)


if __name__ == "__main__":
    main()
