"""Recompute thumbnails whose source image is newer than they are."""

import argparse

SIZES = [128, 256, 512]

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument(
    "-s", "--size", type=int, choices=SIZES, default=256, help="edge in pixels (default: %(default)s)"
)
parser.add_argument("-q", "--quality", type=int, default=85, metavar="Q", help="JPEG quality, 1 to 100")
parser.add_argument("--force", action="store_true", help="recompute even those that are up to date")
parser.add_argument("--dry-run", "-n", action="store_true", help="only list what would be done")
args = parser.parse_args()
print(args)
