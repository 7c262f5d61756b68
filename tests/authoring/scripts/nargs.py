import argparse


def main():
    parser = argparse.ArgumentParser("nargs.py")
    parser.add_argument(
        "--box", nargs=4, type=float, metavar=("X", "Y", "W", "H"), default=[0.0, 0.0, 1.0, 1.0]
    )
    parser.add_argument("--only", nargs="*", help="collections")
    parser.add_argument("--skip", nargs="+", default=["trash", "drafts"])
    parser.add_argument(
        "--trace", nargs="?", const="trace.log", help="write a trace, to %(const)s by default"
    )
    parser.add_argument("--one", nargs=1, type=int, default=[7])
    parser.add_argument("source")
    parser.add_argument("target", nargs="?", default=".")
    parser.add_argument("more", nargs="*", type=int)
    print(parser.parse_args())


if __name__ == "__main__":
    main()
