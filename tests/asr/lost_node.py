"""A node that is killed in the middle of a decode: a real nats-server, and a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from asr.nodes.address import NatsServers
from asr.nodes.transcriber import NodesTranscriber
from tests.asr.nodes_doubles import NodeProcess
from tests.asr.supervised_doubles import until
from tests.nats_server import NatsServer, nats_server  # noqa: F401 - fixture


@dataclass(frozen=True, slots=True)
class Stage:
    """A transcriber, and the one node that it has; the node's decodes are held."""

    engine: NodesTranscriber
    node: NodeProcess
    folder: Path
    servers: NatsServers

    def kill_at_work(self) -> None:
        """SIGKILL in the node's first decode; those of other nodes are held no more."""
        until((self.folder / f"{self.node.name}.at-work").exists)
        self.node.kill()
        (self.folder / "held").unlink()

    def another(self) -> NodeProcess:
        return NodeProcess(self.servers, "second", self.folder)


@pytest.fixture
def stage(nats_server: NatsServer, tmp_path: Path) -> Iterator[Stage]:  # noqa: F811
    servers = NatsServers((nats_server.url,))
    engine = NodesTranscriber(servers, first_s=0.1)
    (tmp_path / "held").touch()
    node = NodeProcess(servers, "first", tmp_path)
    until(lambda: engine.workers)
    yield Stage(engine, node, tmp_path, servers)
    node.kill()
    engine.close()
