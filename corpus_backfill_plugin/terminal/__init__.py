"""How output, progress and tables reach a terminal."""
