import argparse

parser = argparse.ArgumentParser(argument_default=argparse.SUPPRESS)
parser.set_defaults(retries=5)
parser.add_argument("--retries", type=int)
parser.add_argument("--pause", type=float, default=0.5)
parser.add_argument("--name")
parser.add_argument("--internal-token", help=argparse.SUPPRESS)
parser.add_argument("--window", type=int, default=argparse.SUPPRESS)
parser.add_argument("--version", action="version", version="%(prog)s 2.1")
parser.set_defaults(pause=2.0, handler=print)
ns = parser.parse_args()
