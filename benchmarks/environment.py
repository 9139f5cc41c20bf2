"""Where a benchmark ran: what stands beside every measured number."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import torch

from landscape.results.schema import installed_version

PACKAGES = (
    "landscape",
    "torch",
    "numpy",
    "scipy",
    "PyHessian",
    "curvlinops-for-pytorch",
    "backpack-for-pytorch",
    "rebasin",
    "devinterp",
)


def environment() -> dict[str, Any]:
    """Machine, threads and versions."""
    cuda = torch.cuda.is_available()
    return {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: installed_version(name) for name in PACKAGES},
    }


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    """One JSON file: the environment and the rows."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"environment": environment(), "rows": rows}, indent=2) + "\n")
    return path


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
