"""Writes `llms.txt` (https://llmstxt.org) and, beside each page of the site, the same page as Markdown.

usage: llms.py MARKDOWN SITE
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MARKDOWN, SITE = map(pathlib.Path, sys.argv[1:])


def shown(block):
    """Returns a block of code without the lines that only its test needs."""
    language = re.match(r"```rust\S*", block[0])
    if not language:
        return block[0]
    lines = [line for line in block[0].splitlines() if line != "#" and not line.startswith("# ")]
    return "\n".join(["```rust", *lines[1:]])


def main():
    summary = (ROOT / "src/guide/SUMMARY.md").read_text()
    text = "# pixie\n\n> A web framework in Rust in which a route says where it runs: on the connection's thread, on a blocking thread,\n"
    text += "> on the async runtime, or in another operating-system process, which may crash, hang or be killed.\n"
    for title, name, file in re.findall(r"^# (.+)$|^- \[(.*)\]\((.*)\)$", summary, re.M):
        if title and title != "Summary":
            text += f"\n## {title}\n\n"
        if file:
            page = re.sub(r"^```.*?^```$", shown, (MARKDOWN / file).read_text(), flags=re.M | re.S)
            (SITE / file).write_text(page)
            _, first, *_ = page.split("\n\n")
            first = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", first).replace("\n", " ")
            text += f"- [{name}]({file}): {first}\n"
    (SITE / "llms.txt").write_text(text)


main()
