import argparse
import json
import pathlib

parser = argparse.ArgumentParser(description="Run the stages that are switched on.")
parser.add_argument("--workers", type=int, default=1)
stages = json.loads(pathlib.Path(__file__).with_name("stages.json").read_text())
for stage in stages:
    parser.add_argument(f"--{stage}", action="store_true", help=f"run {stage}")
parser.add_argument("--profile", choices=[s.upper() for s in stages])
print(parser.parse_args())
