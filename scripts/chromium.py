"""Where the browser of the browser tests is."""

import os
import shutil

# The first is Chromium without its windows: Debian's package of the same name, a fifth less work for the same pages.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """Return the path of CHROMIUM, or of a Chromium on PATH."""
    names = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else NAMES
    return next((path for name in names if (path := shutil.which(name))), None)
