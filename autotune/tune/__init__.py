"""`tune`: the loop, what carries a proposal out, time limits, the document."""
