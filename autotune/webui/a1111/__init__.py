"""AUTOMATIC1111's web UI and its kin: the amdgpu fork, reForge, Forge."""
