"""The agent: watches what a result depends on, waits for its turn, tunes again as a child process."""
