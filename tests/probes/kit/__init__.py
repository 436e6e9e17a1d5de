"""What the probes share: a place to ask in, and what they make there."""
