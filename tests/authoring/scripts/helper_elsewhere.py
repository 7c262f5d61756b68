import argparse

from shared_options import CODECS, add_paging

parser = argparse.ArgumentParser(description="Fill in durations.")
parser.add_argument("--codec", choices=CODECS)
add_paging(parser)
parser.add_argument("--workers", type=int, default=3)
print(parser.parse_args())
