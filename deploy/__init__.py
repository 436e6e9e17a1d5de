"""From an environment to a running cluster: foundation, plan, rollout, verify."""
