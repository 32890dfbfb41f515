"""In which language people are spoken to, and what English sentences come to in it."""
