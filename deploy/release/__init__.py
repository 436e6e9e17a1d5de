"""Releases: their content, their documents in S3, and the rollout journal."""
