"""Takes docs/mail.png: the refused mail's page of the demo. Needs playwright and Chromium (see CHROMIUM)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)

demo = subprocess.Popen(
    [sys.executable, "-u", "manage.py", "demo", "--port", "8137"], cwd=ROOT, stdout=subprocess.PIPE, text=True
)
try:
    said = ""
    for line in demo.stdout or ():
        said += line
        if "Ctrl+C" in line:
            break
    password = re.findall(r"Password: (\S+)", said)[0]
    address = re.findall(r"refused mail: (\S+)", said)[0]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS.split()
        )
        page = browser.new_page(viewport={"width": 1180, "height": 1000})
        page.goto(address)
        page.fill("#id_username", "demo")
        page.fill("#id_password", password)
        page.click("[type=submit]")
        page.screenshot(path=ROOT / "docs" / "mail.png")
        browser.close()
finally:
    demo.terminate()
    demo.wait(10)
