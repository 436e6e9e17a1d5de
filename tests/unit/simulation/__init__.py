"""A package, so that what is deployed once for all of its tests goes when they are over."""
