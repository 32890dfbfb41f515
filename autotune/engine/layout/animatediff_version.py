"""Version of the AnimateDiff extension that the reference web UI answers like."""

version = "2.0.1-a"
