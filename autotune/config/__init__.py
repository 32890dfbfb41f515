"""The configuration file and the rules it may change."""
