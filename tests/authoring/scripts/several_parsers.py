import argparse


def selftest():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args([])


def parse():
    parser = argparse.ArgumentParser(description="Recount words.")
    parser.add_argument("--language", action="append", default=["en"])
    parser.add_argument("--exclude", action="append", metavar="GLOB")
    parser.add_argument("--extra", action="extend", nargs="+", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    print(parse())
