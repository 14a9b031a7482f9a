"""Measure dispatch-service: `python -m bench.dispatch` (see bench/README.md)."""

import argparse
import asyncio

from bench.dispatch import run
from bench.options import add_options

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.dispatch", description=__doc__)
    add_options(parser, run.Options())
    asyncio.run(run.run(run.Options(**vars(parser.parse_args()))))
