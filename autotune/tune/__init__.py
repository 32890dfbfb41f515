"""The use cases: they put the rooms below in order. Every one of them can be interrupted and run again."""
