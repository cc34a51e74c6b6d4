#!/usr/bin/env python3
"""Records what the benches print as JSON, and makes the guide's page of measurements from it.

    benches/measurements.py record versus [-- ARGUMENTS]   runs a bench, and writes benches/results/versus.json
    benches/measurements.py page                           writes src/guide/explanation/measurements.md
    benches/measurements.py check                          fails if the page differs from the results
"""
import datetime
import json
import os
import re
import subprocess
import sys
from pathlib import Path

BENCHES = Path(__file__).resolve().parent
RESULTS = BENCHES / "results"
PAGE = BENCHES.parent / "src/guide/explanation/measurements.md"

# The order of the page: the bench, its title, and what it compares.
SECTIONS = [
    ("versus", "Throughput beside hyper, axum and actix-web", "The load generator is wrk. It shares the processors with the "
     "servers, and all servers are measured in turn, so only the ratios say something about other machines. pixie runs "
     "without its access log, because the others log nothing."),
    ("pool", "The pool beside the system's primitives", "Each row compares the pool with what the operating system needs for "
     "the same work by itself, in the same run."),
    ("faults", "Other requests while handlers fail", "One handler fails several times, one second apart. The table shows "
     "what happens to all other requests. No server is restarted from outside."),
    ("soak", "Ten minutes of faults under full load", "Phases with and without faults alternate, and each response is "
     "compared with its request. The refusal of requests that crash repeatedly is off."),
    ("slow", "Slow clients", "Clients that hold connections beside clients that ask."),
    ("store", "The store", "The store beside the bare client of Redis, and beside a raw round trip between processes."),
    ("restart", "Restarts under load", "The program is replaced while clients send requests."),
    ("cluster", "Several machines", "Hosts are network namespaces of one machine. Hosts are killed and links cut under load."),
    ("dev", "From a save to the new page", "`pixie dev` beside `cargo build` alone."),
    ("router", "Finding a route", "Time for each look-up, in nanoseconds, by the number of routes."),
]
INTRODUCTION = """What pixie costs and what it survives, measured.

Each section is the output of one program in `benches`, kept in `benches/results`. Targets that were missed are shown as missed.
Run the command of a section to measure on your machine. Times depend on the machine; ratios within one run do so much less.
"""


def output_of(command):
    return subprocess.run(command, cwd=BENCHES, check=True, capture_output=True, text=True).stdout.strip()


def machine():
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    return f"{os.cpu_count()} processors ({model.group(1).strip() if model else 'unknown'}), Linux {os.uname().release}"


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def blocks(text):
    """Splits the output into tables and paragraphs."""
    found, lines = [], text.splitlines()
    while lines:
        line = lines.pop(0)
        if line.startswith("|") and lines and re.fullmatch(r"[|:\-\s]+", lines[0]):
            table = {"columns": cells(line), "alignment": cells(lines.pop(0)), "rows": []}
            while lines and lines[0].startswith("|"):
                table["rows"].append(cells(lines.pop(0)))
            found.append(table)
        elif line.strip():
            if found and "text" in found[-1] and found[-1]["open"]:
                found[-1]["text"] += "\n" + line
            else:
                found.append({"text": line, "open": True})
        elif found and "text" in found[-1]:
            found[-1]["open"] = False
    return [{key: value for key, value in block.items() if key != "open"} for block in found]


def record(bench, arguments):
    command = ["cargo", "run", "--release", "--manifest-path", f"benches/{bench}/Cargo.toml"]
    command += ["--", *arguments] if arguments else []
    print("$", " ".join(command), file=sys.stderr)
    run = subprocess.Popen(command, cwd=BENCHES.parent, stdout=subprocess.PIPE, text=True)
    text = ""
    for line in run.stdout:
        print(line, end="", flush=True)
        text += line
    if run.wait() != 0:
        sys.exit(f"the bench {bench} failed, so its old result is kept")
    result = {
        "bench": bench,
        "command": " ".join(command),
        "date": datetime.date.today().isoformat(),
        "commit": output_of(["git", "rev-parse", "--short=10", "HEAD"]),
        "machine": machine(),
        "output": blocks(text),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{bench}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def shown(block):
    if "text" in block:
        is_plain = re.match(r"(- |#|\d)", block["text"]) or "  " not in block["text"]
        text = re.sub(r"(?m)^(#+) ", r"#\1 ", block["text"])
        return text if is_plain else f"```text\n{block['text']}\n```"
    rows = [block["columns"], block["alignment"], *block["rows"]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def page():
    parts = [INTRODUCTION.strip()]
    for bench, title, about in SECTIONS:
        path = RESULTS / f"{bench}.json"
        if not path.exists():
            continue
        result = json.loads(path.read_text())
        place = f"Measured on {result['date']} at commit {result['commit']}: {result['machine']}."
        parts += [f"## {title}", about, f"```text\n{result['command']}\n```", place, *map(shown, result["output"])]
    return "\n\n".join(parts) + "\n"


def main():
    match sys.argv[1:]:
        case ["record", bench, *rest]:
            record(bench, rest[1:] if rest[:1] == ["--"] else rest)
        case ["page"]:
            PAGE.write_text(page())
        case ["check"]:
            if not PAGE.exists() or PAGE.read_text() != page():
                sys.exit(f"{PAGE} differs from benches/results: run `benches/measurements.py page`")
        case _:
            sys.exit(__doc__)


main()
