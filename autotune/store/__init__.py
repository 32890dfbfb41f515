"""Studies, samples and history on disk: append-only journals that stay readable after a kill at any instant."""
