"""`python -m bench.trigger [throughput|timers]`, from the root of the repository."""

import argparse
import asyncio

from bench.trigger import throughput


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.trigger")
    what = parser.add_subparsers(dest="what", required=True)
    rates = what.add_parser("throughput")
    rates.add_argument("--events", type=int, default=60_000)
    rates.add_argument("--customers", type=int, default=20_000)
    rates.add_argument("--rounds", type=int, default=3)
    rates.add_argument("--seconds", type=float, default=15, help="at most, for each run")
    rates.add_argument("--only", nargs="*", default=())
    arguments = vars(parser.parse_args())
    arguments.pop("what")
    asyncio.run(throughput.run(throughput.Options(**arguments)))


if __name__ == "__main__":
    main()
