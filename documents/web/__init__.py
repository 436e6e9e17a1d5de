"""The web API and its page."""
