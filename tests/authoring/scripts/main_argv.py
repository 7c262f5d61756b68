"""Normalise phone numbers to E.164."""

from argparse import ArgumentParser
from pathlib import Path


def main(argv=None):
    parser = ArgumentParser(prog="phones", description="Normalise phone numbers.", epilog="See the runbook.")
    parser.add_argument("--country", default="DE", help="for numbers without a prefix")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--report", type=Path, default=Path("out") / "report.csv", help="written by %(prog)s")
    parser.add_argument("--chunk", type=int, default=10 * 100)
    parser.add_argument("--ratio", type=float, default=1, help="share to look at, 100%% for all")
    args = parser.parse_args(argv)
    print(args)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
