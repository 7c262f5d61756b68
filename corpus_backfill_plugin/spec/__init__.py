"""Specs: TOML files that declare a script's command."""
