"""Specs written from a parser, and the two compared."""
