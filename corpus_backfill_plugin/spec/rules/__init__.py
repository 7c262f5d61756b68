"""Rules between the keys of a spec, each a small function that yields what it finds."""
