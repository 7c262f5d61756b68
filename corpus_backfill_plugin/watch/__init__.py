"""Watching a run: what its lines say about progress, results and failures, and how that is drawn."""
