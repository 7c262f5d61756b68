"""`python -m corpus_backfill_plugin`: the group without a host."""

from corpus_backfill_plugin.cli import backfill

if __name__ == "__main__":
    backfill(prog_name="python -m corpus_backfill_plugin")
