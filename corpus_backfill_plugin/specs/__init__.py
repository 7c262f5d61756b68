"""Spec files: read, checked, catalogued."""
