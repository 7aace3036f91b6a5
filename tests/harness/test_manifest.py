"""lab.toml: what is read from it, and what its author is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.harness import manifest
from labs.harness.manifest import BadManifest, NoSuchLab

LABS = Path(__file__).with_name("labs")
ECHO = (LABS / "services/echo/lab.toml").read_text("utf-8")


def write(root: Path, text: str) -> Path:
    folder = root / "services/echo"
    folder.mkdir(parents=True)
    (folder / "lab.toml").write_text(text, "utf-8")
    return root


def mistakes(root: Path, text: str) -> list[str]:
    with pytest.raises(BadManifest) as caught:
        manifest.load("services/echo", write(root, text))
    return caught.value.mistakes


def test_it_works() -> None:
    lab = manifest.load("services/echo", LABS)
    assert (lab.slug, lab.level, lab.points) == ("services/echo", "junior", 30)
    assert [check.id for check in lab.checks] == ["speaks", "ends"]
    assert lab.check("ends").needs == ("speaks",)
    assert lab.title.zh == "回声"


def test_every_lab_of_the_course_is_well_formed() -> None:
    labs = manifest.all_labs()
    assert "operators/database" in [lab.slug for lab in labs]


def test_an_unknown_slug_is_no_lab() -> None:
    for slug in ("services/none", "../etc", "services", "/etc/passwd", ""):
        with pytest.raises(NoSuchLab):
            manifest.load(slug, LABS)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('level = "junior"', 'level = "guru"', "level: is 'guru', must be one of"),
        ("minutes = 5", 'minutes = "5"', "minutes: must be a whole number"),
        ("minutes = 5", "minutes = true", "minutes: must be a whole number"),
        ("minutes = 5", "minutes = 0", "minutes: is 0"),
        ('chapter = "services/echo"\n', "", "chapter: is missing"),
        ('skills = ["engineering.junior"]', 'skills = ["cooking.junior"]', "skills[0]: 'cooking.junior'"),
        ('editable = ["*.go"]', 'editable = ["../*.go"]', "editable[0]: '../*.go' leaves"),
        ('needs = ["speaks"]', 'needs = ["speeks"]', "checks[1].needs: there is no earlier check 'speeks'"),
        ('id = "ends"', 'id = "speaks"', "checks[1].id: 'speaks' is there twice"),
        ("points = 10", "point = 10", "checks[0].point: is not a field"),
        ('zh = "回声"', 'zh = ""', "title.zh: must not be empty"),
        ('kind = "go"', 'kind = "rust"', "build.kind: is 'rust'"),
        ('slug = "services/echo"', 'slug = "services/other"', "slug: is 'services/other'"),
        ('sandbox = "none"', 'sandbox = "none"\nmanifests = ["crd.yaml"]', "manifests[0]: there is no file"),
    ],
)
def test_a_mistake_names_file_and_field(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert before in ECHO
    told = mistakes(tmp_path, ECHO.replace(before, after, 1))
    assert any(line.startswith("labs/services/echo/lab.toml: ") and said in line for line in told), told


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = ECHO.replace("minutes = 5", "minutes = -1").replace('kind = "go"', 'kind = "rust"')
    assert len(mistakes(tmp_path, text)) == 2


def test_text_that_is_not_toml_is_told(tmp_path: Path) -> None:
    assert "not valid TOML" in mistakes(tmp_path, "slug = ")[0]


BPF = ECHO.replace('kind = "go"', 'kind = "bpf"\nident = "probe"\ntypes = ["event"]')


def test_a_build_of_ebpf_has_its_own_fields(tmp_path: Path) -> None:
    build = manifest.load("services/echo", write(tmp_path, BPF)).build
    assert (build.source, build.ident, build.types) == ("bpf/*.bpf.c", "probe", ("event",))
    assert build.generated == ("probe_x86_bpfel.go", "probe_x86_bpfel.o")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('kind = "bpf"', 'kind = "go"', "build.ident: is not a field"),
        ('ident = "probe"', 'ident = "a b"', "build.ident: 'a b' is not an identifier"),
        ('types = ["event"]', 'types = ["-x"]', "build.types: '-x' is not an identifier"),
        ('ident = "probe"', 'source = "../*.c"', "build.source: '../*.c' is not a glob"),
        ('ident = "probe"', 'source = "*.go"', "build.source: '*.go' is not a glob"),
        ('ident = "probe"', 'package = "./..."', "build.package: './...' is not a folder"),
    ],
)
def test_mistakes_in_a_build_of_ebpf(before: str, after: str, said: str, tmp_path: Path) -> None:
    assert any(said in mistake for mistake in mistakes(tmp_path, BPF.replace(before, after)))


VM = ECHO.replace('sandbox = "none"', 'sandbox = "vm"\nkernels = ["6.1", "6.12"]')


def test_a_lab_in_virtual_machines_names_its_kernels(tmp_path: Path) -> None:
    assert manifest.load("services/echo", write(tmp_path, VM)).kernels == ("6.1", "6.12")


@pytest.mark.parametrize(
    ("kernels", "said"),
    [
        ("", "kernels: is missing"),
        ("kernels = []", "kernels: needs at least one"),
        ('kernels = ["6.1", "6.1"]', "kernels: needs at least one kernel, each once"),
        ('kernels = ["5.4"]', "kernels[0]: is '5.4', must be one of 6.1, 6.12"),
    ],
)
def test_mistakes_in_kernels(kernels: str, said: str, tmp_path: Path) -> None:
    text = VM.replace('kernels = ["6.1", "6.12"]', kernels)
    assert any(said in mistake for mistake in mistakes(tmp_path, text))
