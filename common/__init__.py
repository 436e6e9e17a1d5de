"""What every stage stands on: the environment, AWS clients, errors, waiting, progress."""
