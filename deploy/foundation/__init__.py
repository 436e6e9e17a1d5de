"""The foundation, one CloudFormation stack: its template, its plan, its changes."""
