"""The ray engine: the same cells, on a local head and on two nodes of which one dies."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from pets_eval.run.journal import read_run
from pets_eval.run.verify import verify_run

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.ray, pytest.mark.xdist_group("ray"), pytest.mark.filterwarnings("ignore")]

TECHNIQUES = [{"use": "test-noisy", "grid": {"scale": [1.0, 2.0]}}, {"use": "test-slow", "params": {"seconds": 0.5}}]


def seeded(directory: Path) -> dict[str, object]:
    return {r.identity: (r.status, {n: s.rows for n, s in r.scores.items()}) for r in read_run(directory)[1]}


def test_a_local_head_gives_what_the_local_engine_gives(run):
    _, _, here = run("here", techniques=TECHNIQUES)
    _, _, there = run("there", techniques=TECHNIQUES, options={"engine": "ray", "workers": 2})
    assert seeded(there) == seeded(here)
    assert verify_run(there) == []


@pytest.fixture(autouse=True)
def no_rows_are_left_on_any_node():
    before = _node_folders()
    yield
    ray.shutdown()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not _node_folders() <= before:
        time.sleep(0.2)
    assert _node_folders() <= before, "confidential rows were left on the node"


def _node_folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("pets-eval-node-*"))


def test_a_faulty_cell_on_ray_is_a_record(run):
    faulty = [{"use": "test-segfault"}, {"use": "test-raise"}, {"use": "test-sleep"}]
    _, reporter, _ = run(techniques=faulty, limits={"timeout": 3}, options={"engine": "ray", "workers": 2})
    statuses = {r.spec.technique: r.status for r in reporter.records}
    assert [statuses[f["use"]] for f in faulty] == ["crashed", "failed", "timed-out"]


@pytest.fixture
def cluster():
    """A head without processors and two nodes with one each, on loopback."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    cluster.add_node(num_cpus=0, include_dashboard=False)
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    yield cluster, nodes
    ray.shutdown()
    cluster.shutdown()


def test_a_lost_node_loses_no_cell(run, cluster):
    started, nodes = cluster
    techniques = [{"use": "test-slow", "grid": {"seconds": [1.0, 1.1, 1.2, 1.3]}}]
    killed = threading.Event()

    def kill_one() -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not _sleeping_cells():
            time.sleep(0.1)
        started.remove_node(nodes[0], allow_graceful=False)
        killed.set()

    killer = threading.Thread(target=kill_one)
    killer.start()
    options = {"engine": "ray", "ray_address": started.address}
    summary, _, directory = run(techniques=techniques, repeats=2, options=options)
    killer.join()
    assert killed.is_set()
    assert sum(summary.counts.values()) == len(read_run(directory)[0].plan)
    assert set(summary.counts) <= {"finished", "crashed"} and summary.counts["finished"] >= 9
    assert verify_run(directory) == []


def _sleeping_cells() -> int:
    """Cells that run now: children of fork servers of this test's nodes."""
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return sum("pets_eval.run.server" in line for line in listing.splitlines()) // 2


def test_no_cluster_at_the_address(run, tmp_path):
    from pets_eval.model.errors import PetsEvalError

    with pytest.raises(PetsEvalError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        run(options={"engine": "ray", "ray_address": "127.0.0.1:1"})
