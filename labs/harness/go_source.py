"""What Go source may not contain here, said before the compiler says it less clearly.

None of this is the wall: the jail is. CGO_ENABLED=0 and -mod=readonly hold anyway; these texts only
spare a learner a puzzling error.
"""

from __future__ import annotations

import re

from labs.harness.events import Text

_CODE_BEGINS = re.compile(r"^(?:func|type|var|const)\b", re.MULTILINE)
# White space is that of one line, and none of it is given back once it is taken: these see megabytes of a stranger's.
_CGO = re.compile(
    r'^[^\S\n]*+(?:import[^\S\n]++)?(?:[_.][^\S\n]++)?"C"[^\S\n]*+(?://.*|/\*.*)?;?[^\S\n]*+$|\bimport\s++"C"',
    re.MULTILINE,
)
_LINKNAME = re.compile(r"^//go:(linkname|cgo_\w+)\b", re.MULTILINE)
_EMBED = re.compile(r"^//go:embed[^\S\n]++(.+)$", re.MULTILINE)
FORBIDDEN_SUFFIXES = (
    ".syso",
    ".s",
    ".S",
    ".c",
    ".cc",
    ".cpp",
    ".cxx",
    ".m",
    ".h",
    ".hh",
    ".f",
    ".swig",
    ".swigcxx",
    ".a",
    ".o",
    ".so",
)
C_SUFFIXES = (".c", ".h")


def source_problems(name: str, content: bytes, *, bpf: bool = False) -> list[Text]:
    """What is wrong with one file; [] as a rule. `bpf`: the lab takes C for eBPF and its headers too."""
    if name.endswith(FORBIDDEN_SUFFIXES) and not (bpf and name.endswith(C_SUFFIXES)):
        zh, en = ("只收 Go 和 C 源码", "Go and C source only") if bpf else ("只收 Go 源码", "Go source only")
        return [Text(f"{zh}：不接受 cgo、汇编和目标文件", f"{en}: no cgo, assembly or object files")]
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return [Text(f"第 {line} 行不是有效的 UTF-8", f"line {line} is not valid UTF-8")]
    if "\0" in text:
        return [Text("文件含有 NUL 字节", "the file contains a NUL byte")]
    return _go_problems(text) if name.endswith(".go") else []


def _go_problems(text: str) -> list[Text]:
    problems: list[Text] = []
    code = _CODE_BEGINS.search(text)
    if _CGO.search(text[: code.start()] if code else text):
        problems.append(
            Text('本实验关闭 cgo，不能 import "C"', 'cgo is off in this lab: import "C" is not accepted')
        )
    directive = _LINKNAME.search(text)
    if directive:
        word = f"//go:{directive[1]}"
        problems.append(Text(f"不接受 {word}", f"{word} is not accepted"))
    for pattern in _EMBED.findall(text):
        if any(_leaves(part) for part in pattern.replace('"', " ").replace("`", " ").split()):
            zh = "//go:embed 只能引用你提交的文件，不能含 .. 或绝对路径"
            problems.append(
                Text(zh, "//go:embed may only name files that you submit: no .. and no absolute path")
            )
    return problems


def _leaves(pattern: str) -> bool:
    bare = pattern.removeprefix("all:")
    return bare.startswith("/") or ".." in bare.split("/")
