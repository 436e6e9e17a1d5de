"""The head lease: who may run Ray."""
