import argparse

parser = argparse.ArgumentParser(description="Options as people spell them.")
parser.add_argument("--batch_size", type=int, default=32)
parser.add_argument("--maxRows", type=int, dest="max_rows")
parser.add_argument("-x", action="store_true", help="exclude drafts")
parser.add_argument("-o", "--output", "--out", dest="out", default="-")
parser.add_argument("-vv", "--very-verbose", action="store_true")
parser.add_argument("-j", dest="jobs", type=int, default=2)
parser.add_argument("--2fa", action="store_true", dest="two_factor")
parser.add_argument("--python", default="python3", help="interpreter of the workers")
args = parser.parse_args()
