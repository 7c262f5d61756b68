import argparse

FIELDS = ("title", "author", "year")
STEPS = {"extract": "read text", "embed": "compute vectors", "index": "write the index"}

parser = argparse.ArgumentParser(description="Recompute chosen fields.")
for field in FIELDS:
    parser.add_argument(f"--{field}", action="store_true", help=f"recompute {field}")
for step, text in STEPS.items():
    parser.add_argument("--skip-" + step, action="store_true", help="do not " + text)
for i, (flag, kind, value) in enumerate(
    [("--batch", int, 50), ("--rate", float, 2.5), ("--mode", str, "fast")]
):
    if flag == "--mode":
        parser.add_argument(flag, type=kind, default=value, choices=["fast", "slow"])
        continue
    parser.add_argument(flag, type=kind, default=value, help="knob %d" % i)
args = parser.parse_args()
