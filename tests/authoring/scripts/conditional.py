import argparse
import sys

try:
    import torch
except ImportError:
    torch = None

DEBUG = False

parser = argparse.ArgumentParser(description="Embed texts.")
parser.add_argument("--model", default="small")
if torch is not None:
    parser.add_argument("--device", default="cuda")
if DEBUG:
    parser.add_argument("--profile", action="store_true")
else:
    parser.add_argument("--quick", action="store_true")
if sys.platform == "linux":
    parser.add_argument("--nice", type=int, default=10)
parser.add_argument("--limit", type=int)
args = parser.parse_args()
