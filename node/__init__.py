"""What runs on the instances. Ships alone: imports nothing of the other packages."""
