"""A soak: drills drawn at random, one after the other, on one cluster, and what grew meanwhile."""
