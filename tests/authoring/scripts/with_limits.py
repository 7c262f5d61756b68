import argparse
from pathlib import Path

DATA = Path("/srv/corpus")
KINDS = ["audio", "video"]
KINDS += ["image"]
KINDS.append("text")
LEVELS = dict(low=1, high=2)

parser = argparse.ArgumentParser(description=f"Work below {DATA}.")
parser.add_argument("--root", type=Path, default=DATA / "media")
parser.add_argument("--kind", choices=KINDS, nargs="*", default=KINDS[:2])
parser.add_argument("--level", choices=LEVELS.keys(), default="low")
parser.add_argument("--port", type=int, default="8080")
parser.add_argument("--empty", default="")
parser.add_argument("--zero", type=int, default=0)
parser.add_argument("--negative", type=int, default=-1)
parser.add_argument("--huge", type=int, default=10**6)
parser.add_argument("--limit", type=int, default=0, help="0 is all")
args = parser.parse_args()
