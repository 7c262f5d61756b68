"""Backfill commands for the Corpus CLI, made from declarative specs.

Nothing is imported here: the host's own commands must not pay for this package, so each part is
imported from its own module by the code that needs it.
"""
