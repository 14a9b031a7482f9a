"""Measure response-service: `python -m bench.response` (see bench/README.md)."""

import argparse
import asyncio

from bench.options import add_options
from bench.response import run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.response", description=__doc__)
    add_options(parser, run.Options())
    asyncio.run(run.run(run.Options(**vars(parser.parse_args()))))
