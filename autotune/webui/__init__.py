"""Which web UI is in a folder, and everything that is its way alone: one folder a kind of web UI."""
