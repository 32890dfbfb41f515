"""Frozen values that all rooms share: no process, no clock, no disk."""
