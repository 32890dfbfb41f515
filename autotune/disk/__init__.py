"""Files on disk: written whole or not at all, and what each system needs for that."""
