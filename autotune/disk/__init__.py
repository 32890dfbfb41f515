"""How a file of ours is written, in one place."""
