"""A stand-in AWS on one Linux machine: moto's control plane over real or simulated machines."""
