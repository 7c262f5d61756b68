"""Score records.

The scores are written beside the records.
"""

import argparse
import textwrap

parser = argparse.ArgumentParser(
    description=__doc__,
    epilog=textwrap.dedent("""
        examples:
          python backfill/help_titles.py --top 10
          python backfill/help_titles.py --metric bm25
    """),
    formatter_class=argparse.RawDescriptionHelpFormatter,
)
optional = parser._action_groups.pop()
required = parser.add_argument_group("required arguments")
parser._action_groups.append(optional)
required.add_argument("--metric", required=True, choices={"bm25", "cosine"})
optional.add_argument("--top", type=int, default=100, help="best of each (default: %(default)d)")
optional.add_argument("--note", default="100%", help="free text, %(type)s")
parser.parse_args()
