import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--audio", dest="kinds", action="append_const", const="audio")
parser.add_argument("--video", dest="kinds", action="append_const", const="video")
parser.add_argument("--fast", dest="speed", action="store_const", const=10, default=1)
parser.add_argument("-v", "--verbose", action="count")
parser.add_argument("--pair", action="append", nargs=2, metavar=("OLD", "NEW"))
action = parser.add_argument("--late")
action.default = "never"
action.choices = ["never", "always"]
parser.parse_args()
