"""Started as a console entry point: nothing here calls main()."""

import argparse


def main(argv=None):
    parser = argparse.ArgumentParser(description="Rename files to their hash.")
    parser.add_argument("--algorithm", choices=["blake2b", "sha256"], default="blake2b")
    parser.add_argument("--limit", type=int, default=1000)
    return parser.parse_args(argv)
