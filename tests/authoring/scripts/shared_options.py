"""Options that several scripts have; no script itself."""

CODECS = ["opus", "mp3"]


def add_paging(parser):
    """Add --page-size and --pages."""
    parser.add_argument("--page-size", type=int, default=100)
    parser.add_argument("--pages", type=int)
