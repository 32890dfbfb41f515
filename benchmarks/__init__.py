"""Measurements of the program: what it finds, takes and costs. Nothing here is installed with it."""

import os

# Matrices of a hundred rows: threads of the numerical library would wait for each other longer than they compute, the
# more so as every benchmark runs one process a core. Set before numpy is loaded; results stay the same.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
