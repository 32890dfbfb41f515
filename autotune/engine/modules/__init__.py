"""Stands for A1111's package ``modules`` where extensions ask for it: the few names of it that autotune's own uses.

Written from how A1111 1.10.1 behaves: a callback that fails is reported and the start goes on.
"""
