"""The house keeps its shape: light doors, docstrings, short files; import directions are `make imports`."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 320  # lines; one idea a file
FILES = sorted((ROOT / "landscape").rglob("*.py"))


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_package_opens_at_once_and_without_torch():
    for _ in range(3):  # the best of them; a busy machine stretches even processor time
        outcome = python(
            "import sys, time, landscape\n"
            "assert not {'torch', 'numpy', 'matplotlib'} & set(sys.modules)\n"
            "print(time.process_time())"
        )
        assert outcome.returncode == 0, outcome.stderr
        if float(outcome.stdout) < 0.3:
            break
    assert float(outcome.stdout) < 0.3


def test_drawing_and_reading_need_no_torch():
    outcome = python(
        "import sys, landscape.figures, landscape.report, landscape.results, landscape.cli\n"
        "assert 'torch' not in sys.modules"
    )
    assert outcome.returncode == 0, outcome.stderr


def test_computing_never_draws():
    outcome = python(
        "import sys\n"
        "from landscape import analyses, features, hessian, predictive, surface, train\n"
        "assert not {'matplotlib', 'seaborn'} & set(sys.modules)"
    )
    assert outcome.returncode == 0, outcome.stderr


def test_every_public_name_of_the_package_resolves():
    outcome = python("import landscape\nfor name in landscape.__all__: getattr(landscape, name)")
    assert outcome.returncode == 0, outcome.stderr
    outcome = python("import landscape\nlandscape.nonsense")
    assert "AttributeError: module 'landscape' has no attribute 'nonsense'" in outcome.stderr


def public(body: list[ast.stmt], prefix: str = "") -> list[tuple[str, str | None]]:
    """(name, docstring) of public functions and classes, methods included."""
    found = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            found.append((prefix + node.name, ast.get_docstring(node)))
            if isinstance(node, ast.ClassDef):
                found += public(node.body, f"{prefix}{node.name}.")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT / "landscape")))
def test_every_file_explains_itself_and_is_short(file):
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    if text.strip():
        assert ast.get_docstring(tree), f"{file} has no docstring"
    bare = [name for name, docstring in public(tree.body) if not docstring]
    assert not bare, f"without a docstring: {', '.join(bare)}"
    assert text.count("\n") <= LONGEST


def test_nothing_touches_global_random_state():
    stateful = ("torch.manual_seed(", "np.random.seed(", "random.seed(", "torch.rand(", "torch.randn(")
    for file in FILES:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            found = [call for call in stateful if call in line and "generator=" not in line]
            assert not found, f"{file}:{number} calls {found[0]}"
