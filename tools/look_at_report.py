"""Opens compare's report in a real browser, light and dark: takes pictures, clicks, and fails on console messages or requests.

    pip install playwright==1.65.2 && apt-get install chromium
    python tools/look_at_report.py out/compare/report.html OUT_PREFIX
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

report, out = Path(sys.argv[1]).resolve(), sys.argv[2]
failed = False
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path="/usr/bin/chromium", args=["--no-sandbox"]
    )
    for scheme in ["light", "dark"]:
        page = browser.new_page(
            color_scheme=scheme, viewport={"width": 1300, "height": 1000}
        )
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        page.screenshot(path=f"{out}-{scheme}.png", full_page=True)

        page.click("a.zoom img >> nth=2")
        page.wait_for_timeout(200)
        enlarged = page.evaluate("document.getElementById('large').open")
        page.screenshot(path=f"{out}-{scheme}-zoom.png")
        page.keyboard.press("Escape")

        page.click("table.sortable thead th >> nth=2 >> button")
        column = page.evaluate(
            "[...document.querySelector('table.sortable').tBodies[0].rows]"
            ".map(row => parseFloat(row.cells[2].textContent)).filter(value => !isNaN(value))"
        )
        page.click("details summary >> nth=0")
        page.wait_for_timeout(200)
        page.locator("details >> nth=0").screenshot(path=f"{out}-{scheme}-details.png")

        outside = [url for url in asked if not url.startswith(("file:", "data:"))]
        good = enlarged and column == sorted(column) and not said and not outside
        failed |= not good
        print(
            f"{scheme}: enlarged {enlarged}, sorted {column == sorted(column)}, "
            f"console {said}, requests outside {outside}"
        )
    browser.close()
sys.exit(failed)
