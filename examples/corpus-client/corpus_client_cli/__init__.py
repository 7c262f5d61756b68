"""The operator's CLI of the Corpus server."""
