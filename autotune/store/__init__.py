"""Studies, samples and history on disk: append-only journals that a kill at any instant leaves readable."""
