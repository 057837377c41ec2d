"""README's picture of the report: `python -m playground.picture <report.html> <picture.png>`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import ViewportSize, sync_playwright

_SIZE = ViewportSize(width=1400, height=1250)


def main(report: Path, picture: Path) -> None:
    """Draw the beginning of `report` with Debian's Chromium, without a network."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=_SIZE, color_scheme="light", device_scale_factor=0.6)
        page.context.set_offline(True)
        page.goto(report.resolve().as_uri())
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
