"""What launch files of every kind are judged with."""

from tests.launchfile.conftest import cmd_home, quick_path

__all__ = ["cmd_home", "quick_path"]
