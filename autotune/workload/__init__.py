"""Profiles (what to render), and the check that an answer is a valid animated clip. Pure, except for reading a
profile's file."""
