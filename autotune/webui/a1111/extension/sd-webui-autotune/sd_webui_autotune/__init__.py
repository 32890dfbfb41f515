"""What the tab of autotune does in the web UI's process: guard its buttons, and run autotune as a child process."""
