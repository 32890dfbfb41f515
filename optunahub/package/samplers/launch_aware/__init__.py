from autotune.search.sampler import LaunchAwareSampler

__all__ = ["LaunchAwareSampler"]
