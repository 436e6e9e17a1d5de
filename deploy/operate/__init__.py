"""Daily work on a cluster that is up: status, and restart, replace or read a head."""
