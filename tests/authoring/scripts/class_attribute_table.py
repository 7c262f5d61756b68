import argparse


class Job:
    """Its options as a table."""

    OPTIONS = [
        (("-i", "--input"), {"required": True, "help": "where from"}),
        (("-o", "--output"), {"default": "out.jsonl", "help": "where to"}),
        (("--shards",), dict(type=int, default=8)),
        (("--resume",), {"action": "store_true"}),
    ]

    @classmethod
    def parser(cls):
        parser = argparse.ArgumentParser(prog="job")
        for flags, keywords in cls.OPTIONS:
            parser.add_argument(*flags, **keywords)
        return parser


if __name__ == "__main__":
    Job.parser().parse_args()
