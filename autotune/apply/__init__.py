"""`apply`, `verify` and `rollback`."""
