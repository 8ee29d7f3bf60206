"""Kamailio with this checkout's configuration, over UDP on this machine."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cluster_trial.sip_messages import Address
from benchmarks.cluster_trial.unit import Unit
from benchmarks.trial_service import ROOT, TrialError

FETCHED = ROOT / ".cache" / "kamailio" / "usr"
HOST = "127.0.0.1"


def program(name: str) -> Path:
    """Of Kamailio.

    Raises:
        TrialError: it is not here.
    """
    found = shutil.which(name) or shutil.which(name, path=FETCHED / "sbin")
    if found is None:
        raise TrialError(f"{name} is not here. Run `scripts/setup.sh --all`.")
    return Path(found)


class Front:
    """Parameters:
    nodes: SIP addresses of the media nodes, with their share of the calls in per cent.
    seats: where calls go when no node takes them.
    """

    def __init__(self, folder: Path, nodes: Sequence[tuple[Address, int]], seats: Address) -> None:
        folder.mkdir(parents=True)
        self.address = HOST, free_udp_port()
        self._nodes = nodes
        sbin = program("kamailio").parent
        libraries = sbin.parent / "lib" / "x86_64-linux-gnu" / "kamailio"
        environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
        self._configure(folder, seats)
        self.unit = Unit(
            "kamailio",
            [
                *(str(sbin / "kamailio"), "-DD", "-E", "-L", str(libraries / "modules")),
                *("-Y", str(folder), "-P", str(folder / "kamailio.pid")),
                *("-f", str(folder / "kamailio.cfg")),
            ],
            folder,
            environment,
        )
        self.kamcmd = folder / "kamcmd"
        self.kamcmd.write_text(
            f"#!/bin/sh\nexport LD_LIBRARY_PATH={libraries}\n"
            f'exec {sbin}/kamcmd -s unixs:{folder}/ctl "$@"\n'
        )
        self.kamcmd.chmod(0o755)

    def uri(self, node: int) -> str:
        """As the dispatcher names a node."""
        (host, port), _ = self._nodes[node]
        return f"sip:{host}:{port}"

    def in_use(self) -> int:
        """Media nodes that the dispatcher gives calls to."""
        done = subprocess.run(
            (str(self.kamcmd), "dispatcher.list"), capture_output=True, text=True, check=False
        )
        found = re.findall(r"URI: (\S+)\s+FLAGS: (\S+)", done.stdout)
        ours = {self.uri(node) for node in range(len(self._nodes))}
        return sum(uri in ours and flags == "AP" for uri, flags in found)

    def _configure(self, folder: Path, seats: Address) -> None:
        sample = ROOT / "deploy" / "kamailio"
        text = (sample / "kamailio.cfg").read_text("utf-8")
        text = text.replace("/etc/kamailio/", f"{folder}/")
        text = text.replace("/run/kamailio/kamailio_ctl", f"{folder}/ctl")
        text = text.replace("tls:10.0.0.1:5061", f"udp:{HOST}:{self.address[1]}")
        text = "\n".join(line for line in text.splitlines() if "tls" not in line)
        (folder / "kamailio.cfg").write_text(text.replace("children=4", "children=2"), "utf-8")
        hosts = [f"3 {host} 32" for (host, _), _ in self._nodes]
        (folder / "address.list").write_text("\n".join([f"1 {HOST} 32", *hosts, ""]))
        rows = [
            f"1 {self.uri(node)} 0 10 weight={share}" for node, (_, share) in enumerate(self._nodes)
        ]
        rows.append(f"2 sip:{seats[0]}:{seats[1]} 0 0")
        (folder / "dispatcher.list").write_text("\n".join([*rows, ""]))


def free_udp_port(host: str = HOST) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
