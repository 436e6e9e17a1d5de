"""The control table, the audit and the metrics: who may do what, what was done, and how much."""
