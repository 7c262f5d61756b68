"""The server side of a small media corpus."""
