"""Run the CLI with ``python -m corpus_client_cli``."""

from corpus_client_cli.cli import main

main()
