"""A preprocessor of mdBook: makes pages of the site from pages that are written for rustdoc.

rustdoc has resolved the links of the same page already. So the links to items in the Markdown, such as
`[App](crate::App)`, get the addresses that rustdoc's page has, in the same order. A link that rustdoc does not
have ends the build. Pages get their title from the table of contents, and their headings move down by one.
"""
import json
import pathlib
import posixpath
import re
import sys
from html.parser import HTMLParser

ROOT = pathlib.Path(__file__).resolve().parent.parent
API = ROOT / "target/doc"
# A span of code, `[text](target)`, or the short form [`path`].
LINK = re.compile(r"(`+)[^`].*?\1|\[((?:`[^`]*`|[^\[\]`])*)\]\(([^()\s]+)\)|\[(`[^`]*`)\](?!\()", re.S)
FENCE = re.compile(r"^(```.*?^```[^\n]*$)", re.M | re.S)


class Resolved(HTMLParser):
    """The links with a title in a page of rustdoc: text and address."""

    def __init__(self):
        super().__init__()
        self.links, self.depth, self.open = [], 0, False

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "div":
            self.depth += 1 if self.depth or "docblock" in attributes.get("class", "") else 0
        if tag == "a" and self.depth and "title" in attributes and "tooltip" not in attributes.get("class", ""):
            self.links.append(["", attributes["href"]])
            self.open = True

    def handle_endtag(self, tag):
        self.depth -= tag == "div" and self.depth > 0
        self.open = self.open and tag != "a"

    def handle_data(self, data):
        if self.open:
            self.links[-1][0] += data


def modules():
    """Returns the file of each module of the guide."""
    text = (ROOT / "src/guide.rs").read_text()
    return {name: file for file, name in re.findall(r'include_str!\("guide/(.*?)"\)\]\npub mod (\w+)', text)}


def address(page, module, link, files):
    """Returns a link of rustdoc's page of a module, as a page of the site writes it."""
    if "://" in link:
        return link
    path, _, anchor = posixpath.normpath(f"pixie_web/guide/{module}/{link}").partition("#")
    own = re.fullmatch(r"pixie_web/guide/(?:(\w+)/)?index\.html", path)
    path = (files[own[1]] if own[1] else "index.md") if own else f"api/{path}"
    return posixpath.relpath(path, posixpath.dirname(page) or ".") + (f"#{anchor}" if anchor else "")


def converted(text, page, module, files):
    rustdoc = Resolved()
    rustdoc.feed((API / f"pixie_web/guide/{module}/index.html").read_text())
    links = iter(rustdoc.links)

    def link(match):
        _, label, target, short = match.groups()
        label = label or short
        if not label or (target or "").startswith(("#", "http:", "https:", "mailto:")):
            return match[0]
        found = next(links, None)
        if not found or found[0] != label.replace("`", ""):
            sys.exit(f"{page}: rustdoc does not have the link {match[0]}, but {found}. Run `cargo doc` first.")
        return f"[{label}]({address(page, module, found[1], files)})"

    parts = FENCE.split(text)
    for number in range(0, len(parts), 2):
        parts[number] = re.sub(r"^(#+ )", r"#\1", LINK.sub(link, parts[number]), flags=re.M)
    if left := next(links, None):
        sys.exit(f"{page}: only rustdoc has the link {left}")
    return "".join(parts)


def main():
    if sys.argv[1:2] == ["supports"]:
        return
    _, book = json.load(sys.stdin)
    files = modules()
    names = {file: name for name, file in files.items()}
    for item in book["items"]:
        chapter = item.get("Chapter") if isinstance(item, dict) else None
        if chapter and chapter["path"] in names:
            page = chapter["path"]
            chapter["content"] = f"# {chapter['name']}\n\n" + converted(chapter["content"], page, names[page], files)
    json.dump(book, sys.stdout)


main()
