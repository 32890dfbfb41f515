"""A pretend web UI with another API and launch file: a kind of web UI that autotune's package knows nothing of."""
