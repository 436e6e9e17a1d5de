"""Ship this node's journal to CloudWatch Logs."""
