"""`probe`, `doctor`, `status` and `studies`."""
