"""Checks each link, anchor and picture of a built site, without a network. Addresses of other sites must only be well formed.

usage: check.py FOLDER
"""
import pathlib
import sys
import urllib.parse
from html.parser import HTMLParser

# In what other crates say about types that we export again, and about what their macros write.
FOREIGN = ["Expiration::Session", "struct.GetAll.html", "Template::render", "Template::render_into", "Template::write_into"]
FOLDER = pathlib.Path(sys.argv[1]).resolve()


class Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.faults, self.moved, self.foreign = set(), [], [], None, False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        # From here on a page of rustdoc repeats what other crates say about their traits.
        self.foreign |= attributes.get("id") == "blanket-implementations-list"
        if tag == "meta" and attributes.get("http-equiv") == "refresh":
            self.moved = attributes["content"].partition("URL=")[2]
        if tag == "img" and "alt" not in attributes:
            self.faults.append(f"the picture {attributes.get('src')} has no alternative text")
        for name in ("href", "src"):
            if attributes.get(name) and not self.foreign:
                self.links.append(attributes[name])
        for candidate in (attributes.get("srcset") or "").split(","):
            self.links += candidate.split()[:1]


def fault(path, link, pages):
    """Returns what is wrong with a link of a page, or None."""
    # rustdoc makes these scripts if there is something to list.
    if link in FOREIGN or "/trait.impl/" in link:
        return None
    try:
        url = urllib.parse.urlsplit(link)
    except ValueError as error:
        return str(error)
    if url.scheme in ("http", "https"):
        return None if url.hostname and " " not in link else "is no address"
    if url.scheme in ("data", "mailto", "javascript"):
        return None
    if url.scheme or url.netloc:
        return "is no address"
    target = FOLDER / url.path.lstrip("/") if url.path.startswith("/") else path.parent / urllib.parse.unquote(url.path)
    target = path if not url.path else pathlib.Path(target).resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(FOLDER) or not target.is_file():
        return "leads nowhere"
    # A script makes the places of ranges of lines in sources.
    if target.suffix != ".html" or "api/src/" in target.as_posix() or url.fragment in ("", "top"):
        return None
    if pages[target].moved:
        return fault(target, f"{pages[target].moved}#{url.fragment}", pages)
    if not {url.fragment, urllib.parse.unquote(url.fragment)} & pages[target].ids:
        return "names no place in its page"
    return None


def main():
    pages = {path: Page(path) for path in sorted(FOLDER.rglob("*.html"))}
    faults, links = [], 0
    for path, page in pages.items():
        name = path.relative_to(FOLDER)
        faults += [f"{name}: {text}" for text in page.faults]
        for link in dict.fromkeys(page.links):
            links += 1
            if text := fault(path, link, pages):
                faults.append(f"{name}: {link} {text}")
    print("\n".join(faults) or f"{len(pages)} pages with {links} links are in order")
    sys.exit(bool(faults))


main()
