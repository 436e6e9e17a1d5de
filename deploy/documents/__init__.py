"""The document pipeline of an environment: its stack, its image, its daily work."""
