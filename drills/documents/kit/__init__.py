"""What the drills of the document pipeline share."""
