"""What runs on the instances: identity, head guard, worker, watchdog. Imports nothing of ours but
itself.
"""
