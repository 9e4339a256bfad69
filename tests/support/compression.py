"""Nodes as Argo puts them into ``status.compressedNodes``."""

import base64
import gzip
import json
from typing import Any


def compressed(*nodes: dict[str, Any]) -> str:
    data = json.dumps({node["id"]: node for node in nodes}).encode()
    return base64.b64encode(gzip.compress(data)).decode()
