"""Ray as this node starts it, asks it and ends it."""
