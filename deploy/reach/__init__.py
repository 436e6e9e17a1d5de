"""The way from an operator to the ports of a cluster: directly, or through Session Manager."""
