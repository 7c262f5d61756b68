"""Runs: a script started, followed, stopped and remembered."""
