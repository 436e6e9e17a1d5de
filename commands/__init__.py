"""The operator's commands: one module of tasks a namespace, and what the tasks share."""
