"""The head lease: which head may run Ray."""
