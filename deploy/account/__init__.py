"""Who may act in an environment's account: the stack of roles that an administrator creates."""
