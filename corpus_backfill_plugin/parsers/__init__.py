"""A script's own parser, read from its source or from a run up to its parsing."""
