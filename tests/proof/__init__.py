"""Tests of proofs: counts, status and plans."""
