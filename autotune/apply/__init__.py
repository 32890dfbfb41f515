"""`apply`, `rollback` and `verify`; the start that proves that flags are in effect."""
