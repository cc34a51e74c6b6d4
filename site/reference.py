"""Writes the generated parts of the reference's pages from the code. `--check` only compares.

A page has its own text up to the line that begins with MARK; the rest is generated. The page of settings has a test of its own,
`src/config/reference.rs`.
"""
import http
import pathlib
import re
import subprocess
import sys
from collections import defaultdict

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ROOT / "src/guide/reference"
MARK = "<!-- Made from the code by site/reference.py. -->\n"
CRATES = ["src", "pixie-core/src", "pixie-server/src", "pixie-pool/src", "pixie-pool/store/src", "pixie-template/src"]
KINDS = {"ANY_KIND": "all", "POOLED": "`pool`, `stream`", "STOPPABLE": "all but `sync`"}


def sources(folders):
    """Returns the sources of these folders without tests and comments, by path."""
    found = {}
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.rs")):
        name = path.relative_to(ROOT).as_posix()
        if not re.search(r"/tests?(/|\.rs)|/fuzzing|/testing", name):
            code = path.read_text().split("#[cfg(test)]\n#[expect")[0].split("#[cfg(test)]\nmod tests {")[0]
            found[name] = re.sub(r"^\s*//.*\n", "", code, flags=re.M)
    return found


def table(*head):
    return lambda rows: "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def first_sentence(text, name):
    """Returns the first paragraph of the documentation of a function."""
    docs = re.search(rf"((?:^ *///.*\n)+)(?: *#.*\n)* *pub fn {name}\(", text, re.M)[1]
    paragraph = re.sub(r"^ */// ?", "", docs, flags=re.M).split("\n\n")[0]
    return re.sub(r"\[(`[^`]*`)\](\([^)]*\))?", r"\1", paragraph).replace("\n", " ").strip()


def options():
    table_of_options = (ROOT / "pixie-core/grammar/src/route_option.rs").read_text()
    values = {name: about.rstrip(".").lower() for about, name in re.findall(r"^    /// (.*)\n    (\w+),$", table_of_options, re.M)}
    rows = re.findall(
        r'^ +option\(\s*"(\w+)",\s*OptionValue::(\w+),\s*"((?:[^"\\]|\\.)*)",\s*(\w+)',
        table_of_options, re.M,
    )
    methods = (ROOT / "pixie-core/src/route.rs").read_text()
    cells = []
    for name, value, example, kinds in rows:
        example = example.replace('\\"', '"')
        about = first_sentence(methods, name)
        cells.append([f"`{name} = {example}`" if example else f"`{name}`", values[value], KINDS[kinds], about])
    return table("option", "value", "kinds", "what it does")(cells)


def variables():
    used = set()
    for name, code in sources([*CRATES, "pixie-core/grammar/src", "pixie-cli/src"]).items():
        used |= set(re.findall(r'"(PIXIE_[A-Z_]*[A-Z])"', code))
    settings = dict.fromkeys(re.findall(r"^\| `\w+` \| `(PIXIE_\w+)`", (PAGES / "configuration.md").read_text(), re.M))
    own = set(re.findall(r"`(PIXIE_\w+)`", (PAGES / "variables.md").read_text().split(MARK)[0]))
    if missing := used - own - set(settings):
        sys.exit(f"src/guide/reference/variables.md does not have {sorted(missing)}")
    if unknown := own - used - set(settings) - {"PIXIE_POOL_NAME"}:
        sys.exit(f"src/guide/reference/variables.md has {sorted(unknown)}, which the code does not read")
    return "".join(f"`{name}`\n" if number % 4 == 3 else f"`{name}` " for number, name in enumerate(settings)).strip() + "\n"


def arguments(code, start):
    """Returns the text between a parenthesis that ends at `start` and the one that closes it."""
    text, depth, end = False, 1, start
    while depth:
        char = code[end]
        if char == "\\" and text:
            end += 1
        elif char == '"':
            text = not text
        elif not text:
            depth += (char in "([{") - (char in ")]}")
        end += 1
    return code[start:end - 1]


def log():
    events = defaultdict(lambda: defaultdict(set))
    for name, code in sources(CRATES).items():
        for macro in re.finditer(r"(?<![\w!])(?:tracing::)?(error|warn|info|debug)!\(", code):
            if texts := re.findall(r'"((?:[^"\\]|\\.)*)"', arguments(code, macro.end()), re.S):
                text = re.sub(r"\{[^}]*\}", "…", re.sub(r"\\\n\s*", "", texts[-1]))
                crate = {"src": "pixie_web", "pixie-pool/store/src": "pixie_store"}
                target = next(folder for folder in sorted(CRATES, key=len, reverse=True) if name.startswith(folder + "/") or name == folder)
                if text.strip("… "):
                    events[crate.get(target, target.split("/")[0].replace("-", "_"))][text].add(macro[1])
        # Macros of our own that take the level.
        for level, text in re.findall(r'\b\w+!\((?:[\w.]+, )+(error|warn|info|debug), "([^"]*)"', code):
            events["pixie_pool" if name.startswith("pixie-pool") else "pixie_web"][text].add(level)
    text = ""
    for crate, found in sorted(events.items()):
        # Code that has a backtick itself needs two around it.
        rows = [[f"`` {event} ``" if "`" in event else f"`{event}`", ", ".join(sorted(levels))] for event, levels in sorted(found.items())]
        text += f"\n# `{crate}`\n\n" + table("event", "level")(rows)
    return text


def metrics():
    described, kinds, used = {}, {}, defaultdict(set)
    for name, code in sources(["src", "pixie-pool/src"]).items():
        used_here = re.findall(r'"(pixie_(?:http|pool|connections|tls|protocols)_?\w+)"', code)
        for metric in used_here:
            used[metric].add(name)
        for pairs, kind in re.findall(r"for \(name, text\) in \[(.*?)\] \{\s*describe_(\w+)!", code, re.S):
            for metric, text in re.findall(r'\("(\w+)", "([^"]*)"\)', pairs):
                described[metric], kinds[metric] = text, kind
        for kind, metric, text in re.findall(r'describe_(\w+)!\(\s*"(\w+)",\s*Unit::\w+,\s*"([^"]*)"', code):
            described[metric], kinds[metric] = text, kind
    if missing := set(used) - set(described):
        sys.exit(f"metrics without a description: {sorted(missing)}")
    rows = [[f"`{metric}`", kinds[metric], text] for metric, text in sorted(described.items())]
    return table("metric", "kind", "what it counts or measures")(rows)


def status_codes():
    failures = (ROOT / "ARCHITECTURE.md").read_text().split("\n## Failures\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in failures.splitlines() if line.startswith("| ")][1:]
    rows = [row for row in rows if re.search(r"\b[1-5]\d\d\b", row[1])]
    rows.sort(key=lambda row: re.search(r"\b[1-5]\d\d\b", row[1])[0])
    text = table("status", "when")([[row[1], row[0]] for row in rows])
    codes = set()
    for code in sources(CRATES).values():
        for name in re.findall(r"StatusCode::([A-Z_]{2,})\b", code):
            codes |= {int(http.HTTPStatus["REQUEST_ENTITY_TOO_LARGE" if name == "PAYLOAD_TOO_LARGE" else name])}
    told = {int(code) for code in re.findall(r"\b[1-5]\d\d\b", text + (PAGES / "status_codes.md").read_text().split(MARK)[0])}
    if missing := codes - told:
        sys.exit(f"no page says when the code answers {sorted(missing)}")
    return text


def commands():
    pixie = ROOT / "target/debug/pixie"

    def told(*words):
        done = subprocess.run([pixie, *words, "--help"], capture_output=True, text=True, check=True, env={"COLUMNS": "100"})
        return done.stdout.strip()

    text = f"```text\n{told()}\n```\n"
    for name in re.findall(r"^  (\w+) ", told().split("Commands:")[1].split("\n\n")[0], re.M):
        if name != "help":
            text += f"\n# `pixie {name}`\n\n```text\n{told(name)}\n```\n"
    return text


def features():
    manifest = (ROOT / "Cargo.toml").read_text()
    section = manifest.split("\n[features]\n")[1].split("\n[")[0]

    def crates(*features):
        command = ["cargo", "tree", "-p", "pixie-web", "-e", "normal", "--prefix", "none", "--no-default-features", "--offline"]
        command += ["--target", "x86_64-unknown-linux-gnu", "--locked", "-F", ",".join(features)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        return len({line.split()[0] + line.split()[1] for line in done.stdout.splitlines() if line.strip()})

    base = crates("")
    default = re.search(r"^default = \[(.*)\]", section, re.M)[1].replace('"', "").split(", ")
    rows = []
    for about, name in re.findall(r"((?:^# .*\n)+)([\w-]+) = \[", section, re.M):
        if name != "default":
            on = "yes" if name in default else ""
            about = re.sub(r"^# ", "", about, flags=re.M).strip().replace("\n", " ")
            rows.append([f"`{name}`", on, f"+{crates(name) - base}", about])
    text = f"Without any feature an app has {base} crates, its own not counted, and with the default features {crates(*default)}.\n\n"
    return text + table("feature", "on by default", "crates", "what it adds")(rows)


def main():
    makers = [options, variables, log, metrics, status_codes, commands, features]
    for maker in makers:
        path = PAGES / f"{maker.__name__}.md"
        page = path.read_text()
        new = f"{page.split(MARK)[0]}{MARK}\n{maker().lstrip()}"
        if page != new and "--check" in sys.argv:
            sys.exit(f"{path.relative_to(ROOT)} is not what the code says: run site/reference.py")
        path.write_text(new)


main()
