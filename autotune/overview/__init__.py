"""`probe`, `doctor`, `status`; studies exported, imported and replayed."""
