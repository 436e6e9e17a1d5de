"""The local cloud without machines: a machine is an object, its node code is the real ``node/``
logic, on a fake clock and a fake Ray.

Needs no root and no process, so that what deploys can be tested by the thousand, and at 1,000
nodes. ``cloud.simulated_cloud`` is the way in.
"""
