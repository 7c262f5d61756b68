import argparse
import sys

common = argparse.ArgumentParser(add_help=False)
common.add_argument("--dry-run", action="store_true", help="change nothing")
common.add_argument("--workers", type=int, default=4)

parser = argparse.ArgumentParser(description="Move media between tiers.")
subparsers = parser.add_subparsers(dest="cmd", required=True)
for name, text in {"archive": "to cold storage", "restore": "back to disk"}.items():
    subparsers.add_parser(name, parents=[common], help=f"move {text}")
subparsers.choices
args = parser.parse_args(sys.argv[1:])
