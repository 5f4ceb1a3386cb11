"""Every sentence that a script of review says can be said in another language."""

import html
import re
from pathlib import Path

WEB = Path(__file__).parent.parent / "web"


def test_every_sentence_of_the_scripts_is_in_the_catalogue_of_their_page() -> None:
    scripts = (WEB / "static" / "review").glob("*.js")
    said = {sentence for script in scripts for sentence in re.findall(r'_\("([^"]+)"', script.read_text())}
    words = html.unescape((WEB / "templates" / "review" / "words.html").read_text())
    known = set(re.findall(r'^  "([^"]+)": _\(', words, re.MULTILINE))
    assert said - known == set()


def test_the_catalogue_says_the_same_as_the_scripts_in_english() -> None:
    words = (WEB / "templates" / "review" / "words.html").read_text()
    pairs = re.findall(r'^  "([^"]+)": _\("([^"]+)"\)', words, re.MULTILINE)
    assert [key for key, english in pairs if english.replace("%%", "%") != key] == []
