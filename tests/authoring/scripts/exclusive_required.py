from argparse import ArgumentParser, FileType

parser = ArgumentParser()
group = parser.add_mutually_exclusive_group(required=True)
group.add_argument("--id", type=int, action="append", help="a record; may be repeated")
group.add_argument("--ids-file", type=FileType("r"), metavar="FILE")
group.add_argument("--all", action="store_true")
only = parser.add_argument_group("tuning").add_mutually_exclusive_group()
only.add_argument("--threads", type=int)
only.add_argument("--processes", type=int)

if __name__ == "__main__":
    ns = parser.parse_args()
    print(ns)
