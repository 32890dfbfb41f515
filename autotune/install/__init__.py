"""What most verbs begin with: an install inspected, its flags read, and whether the machine is free."""
