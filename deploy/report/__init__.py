"""Show: the console, and rollouts as pages and data."""
