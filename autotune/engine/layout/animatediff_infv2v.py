"""See animatediff.py."""
