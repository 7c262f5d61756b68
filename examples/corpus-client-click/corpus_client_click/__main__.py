"""Run the CLI with ``python -m corpus_client_click``."""

from corpus_client_click.cli import main

main()
