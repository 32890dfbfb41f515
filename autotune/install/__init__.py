"""One look at an install: where it is, what its flags are, whether the machine is free."""
