"""What all tests share: one Hypothesis profile, the corpus, and skips that are failures where everything is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile(
    "pktlab",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("PKTLAB_CI")),
    phases=[phase for phase in Phase if phase is not Phase.explain],  # it takes most of the time of `find`
)
settings.register_profile("thorough", settings.get_profile("pktlab"), max_examples=2000)
settings.load_profile("pktlab")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Return the folder of real captures that PKTLAB_CORPUS names."""
    folder = os.environ.get("PKTLAB_CORPUS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("PKTLAB_CORPUS names no folder of captures")
    return Path(folder)


@pytest.fixture(scope="session")
def first_light() -> Path:
    """Return the capture that the project made itself."""
    return ROOT / "pcaps" / "first-light.pcapng"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many tests were skipped; in CI, where everything is installed, none may be."""
    skipped = len(terminalreporter.stats.get("skipped", []))
    if skipped and os.environ.get("PKTLAB_CI"):
        terminalreporter.write_line(f"{skipped} skipped, though everything should be there: see the reasons above")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run in CI that skipped anything."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("PKTLAB_CI") and reporter is not None and reporter.stats.get("skipped") and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
