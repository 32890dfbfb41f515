"""`autotune daemon | service | config`: the agent, its installation, its configuration."""

from __future__ import annotations


