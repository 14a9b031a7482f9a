"""Options of a benchmark on the command line, from the dataclass that holds them."""

import argparse
import dataclasses
from typing import Any


def add_options(parser: argparse.ArgumentParser, options: Any) -> None:
    """Add a flag for each field of `options`, whose values are the defaults."""
    for field in dataclasses.fields(options):
        default, flag = getattr(options, field.name), f"--{field.name.replace('_', '-')}"
        if isinstance(default, tuple):
            kind = type(default[0]) if default else str
            parser.add_argument(flag, nargs="*", type=kind, default=default)
        else:
            parser.add_argument(flag, type=type(default), default=default)
