"""Autotune finds, proves and applies the launch flags that make a generative web UI fast on this machine."""

__version__ = "0.1.0"
