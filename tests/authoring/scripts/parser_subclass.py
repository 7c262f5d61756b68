import argparse
import sys


class HelpfulParser(argparse.ArgumentParser):
    """Shows the help with each error."""

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **kwargs)
        self.add_argument("--quiet", action="store_true", help="print errors only")

    def error(self, message):
        self.print_help(sys.stderr)
        self.exit(2, message)


parser = HelpfulParser(
    description="""Extract colours.

Works on images only."""
)
parser.add_argument("--colours", type=int, default=5, choices=range(1, 17), metavar="N")
parser.add_argument("--space", choices=["rgb", "lab"], default="lab")
opts = parser.parse_args()
