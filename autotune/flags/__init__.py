"""Launch flags: what each one is, what a set of them comes to, and which sets a study tries."""
