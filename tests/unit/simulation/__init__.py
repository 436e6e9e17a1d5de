"""A package, so that what is deployed once for all of its tests is removed after them."""
