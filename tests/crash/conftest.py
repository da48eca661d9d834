"""What the crash tests need of the machine: a compiler for the shim that makes a disk fail."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.kit.processes import program


class SyncFault(NamedTuple):
    """A switch for the disk of one relay: give `env` to it, then `fail`, `hang` or `heal`."""

    env: dict[str, str]
    file: Path

    def fail(self) -> None:
        """Every fsync fails with EIO from now on."""
        self._say("e")

    def hang(self) -> None:
        """No fsync returns from now on."""
        self._say("h")

    def heal(self) -> None:
        """As if nothing had been."""
        self._say("-")

    @property
    def hits(self) -> int:
        """How many calls met the fault."""
        hits = self.file.with_name(self.file.name + ".hits")
        return hits.stat().st_size if hits.exists() else 0

    def _say(self, letter: str) -> None:
        fresh = self.file.with_name("fresh")
        fresh.write_text(letter)
        fresh.rename(self.file)


@pytest.fixture(scope="session")
def _shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = program("gcc") or program("cc")
    if not compiler:
        pytest.skip("no C compiler for the shim that makes fsync fail")
    library = tmp_path_factory.mktemp("shim") / "sync_fault.so"
    source = Path(__file__).with_name("sync_fault.c")
    command = [compiler, "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip(f"the compiler cannot build a library here: {built.stderr.strip()[-200:]}")
    return library


@pytest.fixture
def sync_fault(_shim: Path, tmp_path: Path) -> SyncFault:
    """A switch for the fsync of one relay."""
    file = tmp_path / "sync-fault"
    file.write_text("-")
    return SyncFault({"LD_PRELOAD": str(_shim), "SYNC_FAULT": str(file)}, file)
