import argparse
import sys


class Command:
    """A command of the house framework."""

    help = ""
    default_batch = 10

    def __init__(self):
        self.parser = argparse.ArgumentParser(description=self.help)
        self.parser.add_argument("--batch", type=int, default=self.default_batch)
        self.add_arguments(self.parser)

    def add_arguments(self, parser):
        pass

    def execute(self):
        self.handle(**vars(self.parser.parse_args()))

    def handle(self, **options):
        raise NotImplementedError


class Backfill(Command):
    help = "Fill in slugs."
    default_batch = 250

    def add_arguments(self, parser):
        parser.add_argument("--overwrite", action="store_true")
        parser.add_argument("--separator", default="-", help="between words")

    def handle(self, **options):
        print(options)


if __name__ == "__main__":
    Backfill().execute()
    sys.exit()
