import argparse

p = argparse.ArgumentParser(description="Detect faces.")
p.add_argument("--gpu", action=argparse.BooleanOptionalAction, default=True, help="use the GPU")
p.add_argument("--cache", "-c", action=argparse.BooleanOptionalAction, help="keep models in memory")
p.add_argument("--no-progress", action="store_false", dest="progress", help="draw no bar")
p.add_argument("--strict", action="store_const", const="strict", default="lenient")
p.add_argument("--strict-bool", type=bool, default=False)
p.parse_args()
