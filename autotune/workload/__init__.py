"""What to render, and is the answer a real, valid clip. Pure, but for reading a profile's file."""
