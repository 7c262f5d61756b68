"""All that happens where a script runs: the standard library and this room alone."""
