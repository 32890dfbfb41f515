"""A1111's launch flags: which sets there are, and what each of them has the web UI compute."""
