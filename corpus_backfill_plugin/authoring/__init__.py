"""Authoring: a script's own parser read, a spec written from it, and the two held against each other."""
