import argparse


def get_args():
    p = argparse.ArgumentParser(description="Assign languages to documents.")
    source = p.add_argument_group("source", "which documents to look at")
    source.add_argument("--collection", required=True, help="name of the collection")
    source.add_argument("--since", metavar="YYYY-MM-DD", help="only those changed since")
    model = p.add_argument_group(title="model")
    model.add_argument("--model", choices=("tiny", "base", "large"), default="base")
    model.add_argument("--threshold", type=float, default=0.8)
    which = p.add_mutually_exclusive_group()
    which.add_argument("--only-missing", action="store_true")
    which.add_argument("--all", action="store_true", dest="everything")
    return p.parse_args()


if __name__ == "__main__":
    args = get_args()
    print(args)
