"""Operating a deployed cluster: its status, and restart, replace or read the log of a head."""
