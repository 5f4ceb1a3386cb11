#!/bin/sh
# Install the browser that the page's tests need; without one they skip. Debian's Chromium without a window of its own
# draws the same pages with little more than half the work; where there is none, as on Ubuntu, it is the whole Chromium.
has() { command -v "$1" >/dev/null 2>&1; }

has chromium-headless-shell && exit 0
if [ "$(id -u)" -eq 0 ] && has apt-get; then
    export DEBIAN_FRONTEND=noninteractive
    timeout 120 apt-get update -qq -o Acquire::Retries=0 -o Acquire::http::Timeout=20 >/dev/null 2>&1
    for browser in chromium-headless-shell chromium; do
        has "$browser" && exit 0
        apt-get install -y -qq --no-install-recommends "$browser" >/dev/null 2>&1 && exit 0
    done
fi
has chromium && exit 0
echo "Chromium is missing: the browser tests skip. Install it: sudo apt-get install chromium-headless-shell"
