"""A1111's launch flags: what each set of them comes to."""
