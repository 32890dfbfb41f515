"""The place where the AnimateDiff extension has its script. The reference web UI has the extension built in and
looks here only to see that it is installed."""
