"""Shows one Windows toast and ends: ``python -m autotune.agent.windows_toast TITLE TEXT [--sound]``.

Its exit code is 0 if the desktop took the toast. A program of its own, because a desktop that does not answer must not
hold up the agent.
"""

from __future__ import annotations

import asyncio
import sys

APP = "autotune"


def main(words: list[str]) -> int:
    """Hands the toast to the desktop. 1 where that failed or the library is not there."""
    try:
        from desktop_notifier import DEFAULT_SOUND, DesktopNotifier
    except (ImportError, OSError):  # OSError: a library of Windows that this edition lacks
        return 1
    title, text, *more = words
    went_out: list[bool] = []

    async def send() -> None:
        await DesktopNotifier(app_name=APP, app_icon=None).send(
            title, text, sound=DEFAULT_SOUND if "--sound" in more else None,
            on_dispatched=lambda: went_out.append(True),  # it raises nothing when it failed
        )

    try:
        asyncio.run(send())
    except (RuntimeError, OSError):
        return 1
    return 0 if went_out else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
