"""Hand what is left over to the worker."""

import argparse
import sys

parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
parser.add_argument("--queue", default="backfill")
parser.add_argument("--concurrency", "-c", type=int, default=1)
options, rest = parser.parse_known_args()
sys.exit(0 if not rest else 1)
