"""The ground a cluster stands on, one CloudFormation stack: its template, its plan, its changes."""
