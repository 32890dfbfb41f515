"""What is here: the GPU, the web UI's folder, its Python, its models, and a fingerprint of it all."""
