#!/usr/bin/env python3
"""Holds the implementations against each other, byte for byte.

    compare.py native [language…]                    the sources, outside any host
    compare.py bare <components> [language…]         the components on bare wasmtime; also what they
                                                     tell, and calls out of order
    compare.py host <components> [language…]         the components on Chimera

<components> is the folder that `build.sh` wrote. Languages: rust python js quickjs c go; those that are
there, where none is named. The texts are those of `corpus/fetch.py`:

    TEXT_STATS_CORPUS   their folder (default: fetched into a temporary folder)
    CHIMERA             the host's program (default: the repository's target/release/chimera)

`native` and `bare` also hold each implementation against `cases.json`. `bare` needs
`pip install wasmtime==48.0.0`. Exits with 1 when anything differs.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from itertools import chain, combinations, count
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LANGUAGES = ("rust", "python", "js", "quickjs", "c", "go")
# Parameters of the lives that are compared: healthy, degraded.
LIVES: tuple[dict, ...] = ({}, {"busy_attempts": "2"})
# A component with an engine inside takes long to compile, and is large.
ROOM = {
    "LAYER4_MAX_COMPONENT_MB": "64",
    "LAYER4_COMPILE_MEMORY_MB": "6144",
    "LAYER4_COMPILE_CPU_SECS": "300",
    "LAYER4_TASK_STORE": "memory",
}


def main() -> None:
    mode, components, languages = arguments()
    texts = corpus()
    cases = [] if mode == "host" else json.loads((HERE / "cases.json").read_text(encoding="utf-8"))
    lines = [{"payload": json.dumps({"text": text}, ensure_ascii=False)} for _, _, text in texts]
    names = [name for name, _, _ in texts] + [case["about"] for case in cases]

    answers: dict[str, list[str]] = {}
    for language in languages or present(mode, components):
        answers[language] = run(mode, language, components, lines + cases)
        print(f"{language}: {len(answers[language])} answers", flush=True)
    if len(answers) < 2:
        sys.exit("there are fewer than two implementations to compare")

    good = all([compare(names, answers, *pair) for pair in combinations(answers, 2)])
    good &= all([check(language, found[len(texts) :], cases) for language, found in answers.items()])
    # Without region or script: Portuguese counts once.
    spoken = {tag.split("-")[0] for _, tag, _ in texts} - {"und", ""}
    verdict = "equal" if good else "NOT equal"
    held = f"{len(texts)} texts in {len(spoken)} languages"
    print(f"{held}, {verdict} in {len(answers)} implementations ({', '.join(answers)})")
    sys.exit(0 if good else 1)


def arguments() -> tuple[str, Path | None, list[str]]:
    match sys.argv[1:]:
        case ["native", *languages]:
            return "native", None, languages
        case ["bare" | "host" as mode, components, *languages]:
            return mode, Path(components), languages
        case _:
            sys.exit(__doc__)


def corpus() -> list[tuple[str, str, str]]:
    """Code, BCP 47 tag and text of each."""
    folder = os.environ.get("TEXT_STATS_CORPUS")
    if folder is None:
        with tempfile.TemporaryDirectory() as fetched:
            subprocess.run([sys.executable, HERE / "corpus/fetch.py", fetched], check=True)
            return read_corpus(Path(fetched))
    return read_corpus(Path(folder))


def read_corpus(folder: Path) -> list[tuple[str, str, str]]:
    rows = (row.split("\t") for row in (folder / "texts.tsv").read_text(encoding="utf-8").splitlines())
    return [(code, tag, (folder / f"{code}.txt").read_text(encoding="utf-8")) for code, tag, _ in rows]


# === Running


def present(mode: str, components: Path | None) -> list[str]:
    if mode == "native":
        return ["rust", "python", "js", "c", *(["go"] if shutil.which("go") else [])]
    return [language for language in LANGUAGES if component(components, language).exists()]


def component(components: Path, language: str) -> Path:
    return components / f"text-stats-{language}.wasm"


def run(mode: str, language: str, components: Path | None, lines: list[dict]) -> list[str]:
    match mode:
        case "native":
            return run_native(language, lines)
        case "bare":
            import bare

            path = component(components, language)
            return bare.run(path, lines) + [answer for one in LIVES for answer in bare.live(path, one)]
        case _:
            return run_on_host(component(components, language), lines)


def run_native(language: str, lines: list[dict]) -> list[str]:
    with tempfile.TemporaryDirectory() as build:
        programs = {
            "rust": ["cargo", "run", "--quiet", "--release", "-p", "text-stats", "--example", "lines"],
            "python": [sys.executable, "-B", HERE / "python/lines.py"],
            "js": ["node", HERE / "js/lines.mjs"],
            "c": [Path(build, "lines")],
            "go": ["go", "run", "-C", HERE / "go", "./lines"],
        }
        prepare = {
            "c": ["make", "--silent", "-C", HERE / "c", f"BUILD={build}", "lines"],
            "go": ["go", "generate", "-C", HERE / "go", "./..."],
        }
        if language not in programs:
            sys.exit(f"{language}: there are {', '.join(programs)}")
        if language in prepare:
            subprocess.run(prepare[language], check=True)
        given = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        ran = subprocess.run(programs[language], cwd=ROOT, input=given.encode(), capture_output=True)
    if ran.returncode != 0:
        sys.exit(f"{language}: {ran.stderr.decode()}")
    return ran.stdout.decode().split("\n")[:-1]


def run_on_host(path: Path, lines: list[dict]) -> list[str]:
    program = os.environ.get("CHIMERA", ROOT / "target/release/chimera")
    ids = [str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))) for number in range(len(lines))]
    tasks = ({"id": id, "payload": json.loads(line["payload"])} for id, line in zip(ids, lines))
    given = "".join(json.dumps(task, ensure_ascii=False) + "\n" for task in tasks)
    with tempfile.TemporaryDirectory() as data:
        command = [program, "work", "--agent", f"text-stats={path}", "--tasks", "-", "--json"]
        settings = {**os.environ, **ROOM, "LAYER4_DATA_DIR": f"{data}/chimera"}
        ran = subprocess.run(command, input=given.encode(), capture_output=True, env=settings)
    events = [json.loads(line) for line in ran.stdout.decode().splitlines()]
    ended = {event["result"]["task_id"]: event["result"] for event in events if event["event"] == "ended"}
    if set(ended) != set(ids):
        sys.exit(f"{path}: {len(ended)} of {len(ids)} tasks ended\n{ran.stderr.decode()}")
    results = (ended[id] for id in ids)
    return [json.dumps(one["output"] if one["success"] else one["error"], ensure_ascii=False) for one in results]


# === Comparing


def compare(names: list[str], answers: dict[str, list[str]], left: str, right: str) -> bool:
    if len(answers[left]) != len(answers[right]):
        print(f"{left} ≠ {right}: {len(answers[left])} and {len(answers[right])} answers")
        return False
    # What is behind the texts and cases are the calls of a life.
    named = chain(names, (f"call {number} out of order" for number in count(1)))
    pairs = list(zip(named, answers[left], answers[right]))
    different = [pair for pair in pairs if pair[1] != pair[2]]
    if not different:
        print(f"{left} = {right}: {len(pairs)} of {len(pairs)} equal")
        return True
    name, one, other = different[0]
    print(f"{left} ≠ {right}: {len(different)} of {len(pairs)} differ, the first is {name}")
    at = next((at for at, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
    for language, text in ((left, one), (right, other)):
        print(f"  {language:>8}, character {at}: …{text[max(0, at - 60) : at + 60]}…")
    return False


def check(language: str, found: list[str], cases: list[dict]) -> bool:
    """Against what the cases say; what was told meanwhile stands behind a tab."""
    wrong = [case for case, answer in zip(cases, found) if answer.split("\t")[0] != case["expect"]]
    for case in wrong[:1]:
        print(f"{language}: {len(wrong)} of {len(cases)} cases wrong, the first is: {case['about']}")
    return not wrong


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
