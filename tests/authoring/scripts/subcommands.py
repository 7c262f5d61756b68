"""Keep the search index in step with the records."""

import argparse
import sys


def rebuild(args):
    print("rebuild", args)


def prune(args):
    print("prune", args)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more; repeat for more still")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    p = commands.add_parser("rebuild", help="index everything anew", description="Index everything anew.")
    p.add_argument("--batch-size", type=int, default=500)
    p.add_argument("--limit", type=int, default=None)
    p.set_defaults(func=rebuild)

    p = commands.add_parser("prune", aliases=["clean"], help="drop entries without a record")
    p.add_argument("--older-than", type=int, default=30, metavar="DAYS")
    p.add_argument("--dry-run", action="store_true")
    p.set_defaults(func=prune)

    args = parser.parse_args()
    return args.func(args)


if __name__ == "__main__":
    sys.exit(main())
