"""Judge a cluster: acceptance checks, smoke job, alarm delivery, the loss of a head."""
