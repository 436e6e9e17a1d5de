"""Failures of the document pipeline, one a file, while a client adds documents and asks."""
