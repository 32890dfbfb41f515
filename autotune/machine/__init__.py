"""What is on this machine: GPUs and driver, processes, a Python and its packages, git checkouts, weights files."""
