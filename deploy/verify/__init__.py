"""Verify a cluster: acceptance list, smoke job, alarm delivery, head loss."""
