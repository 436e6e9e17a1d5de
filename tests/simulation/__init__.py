"""The local cloud without machines: a machine is an object, its node code is the real ``node/``
logic, on a fake clock and a fake Ray.

Needs no root and no processes, so that thousands of deploys can be tested, and clusters of 1,000
nodes. ``cloud.simulated_cloud`` is the entry point.
"""
