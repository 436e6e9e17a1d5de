"""Carry plans out: deploy, roll back, destroy; hand the lease over; one deployer at a time."""
