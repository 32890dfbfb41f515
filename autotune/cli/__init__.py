"""One small file a verb: parse, call one use case, print it."""
