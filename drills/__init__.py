"""Outages that the cluster has to survive: each breaks it for real and times the recovery."""
