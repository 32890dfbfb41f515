"""Tests of ComfyUI behind the door."""
