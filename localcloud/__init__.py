"""A stand-in AWS on one Linux machine: moto's control plane over real machines, or simulated ones."""
