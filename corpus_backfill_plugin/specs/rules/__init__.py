"""Rules between the keys of a spec, each a function in a table."""
