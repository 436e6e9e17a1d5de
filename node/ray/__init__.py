"""Start Ray on this node, ask it, and end it."""
