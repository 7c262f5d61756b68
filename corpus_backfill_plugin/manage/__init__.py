"""Thin commands of the Manage section."""
