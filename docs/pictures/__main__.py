"""Take every picture of the page that the documents show, into docs/pictures/.

Run it from the repository's root, with Debian's chromium installed: python -m docs.pictures
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path

from docs.pictures.browser import Browser, chromium
from docs.pictures.counting import count
from docs.pictures.others import calibrate, look_for_cells_in_vain
from docs.pictures.past import prepare
from docs.pictures.reading import name_the_unidentified, sign
from docs.pictures.scenes import AFTER, READ, SCENES, SIGNED, Scene, places_in
from docs.pictures.served import FILE, client_of, serving

HERE = Path(__file__).parent
LARGEST_BYTES, LARGEST_TOGETHER_BYTES = 150_000, 1_500_000


def main() -> None:
    """Count once on the simulated microscope, take all pictures on the way, and say how large they are."""
    asked = argparse.ArgumentParser(prog="python -m docs.pictures", description=__doc__)
    asked.add_argument(
        "--keep", type=Path, help="A folder in which the count is kept, and found the next time."
    )
    asked.add_argument("only", nargs="*", help="Names of pictures; all of them where none is named.")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as temporary, chromium(HERE, given.only) as browser:
        work = Path(temporary)
        counted = given.keep or work / "counted"
        if not (counted / FILE).is_file():
            counted.mkdir(parents=True, exist_ok=True)
            count(browser, counted)
        if not given.only or {scene.name for scene in SCENES} & {*given.only}:
            shutil.copytree(counted, work / "after", ignore=shutil.ignore_patterns("*.sock", "*.lock"))
            take_after(browser, work / "after")
        for name, take in (("no-smear", look_for_cells_in_vain), ("calibrating", calibrate)):
            if not given.only or name in given.only:
                (work / name).mkdir()
                take(browser, work / name)
    say_sizes(HERE.glob("*.png"))


def take_after(browser: Browser, folder: Path) -> None:
    """Take what can be seen once a count has ended, among earlier ones. folder: of a store with that count."""
    prepare(folder / FILE)
    with serving(folder, HEMADIFF_WEB__REMOTE_CONTROL="true") as address:
        browser.at(address)
        places = places_in(folder / FILE)

        def take(scenes: Collection[Scene]) -> None:
            for scene in scenes:
                browser.take(scene, places)

        take(AFTER)
        name_the_unidentified(client_of(folder), folder / FILE)
        take(READ)
        sign(client_of(folder), folder / FILE)
        take(SIGNED)


def say_sizes(files: Iterable[Path]) -> None:
    """Print the size of each picture, and fail where one or all of them are too large for a repository."""
    sizes = {file.name: file.stat().st_size for file in sorted(files)}
    for name, size in sizes.items():
        print(f"{size / 1000:6.0f} kB  {name}")
    print(f"{sum(sizes.values()) / 1000:6.0f} kB  all {len(sizes)}")
    if max(sizes.values()) > LARGEST_BYTES or sum(sizes.values()) > LARGEST_TOGETHER_BYTES:
        raise SystemExit("Too large: a picture holds 150 kB at most, and all of them 1.5 MB.")


if __name__ == "__main__":
    main()
