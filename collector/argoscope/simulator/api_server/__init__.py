"""The Kubernetes API over HTTP, on a cluster in memory.

``route`` says what a path means; ``reading``, ``watching`` and ``writing`` do it; ``tables``,
``discovery``, ``openapi`` and ``reviews`` answer what kubectl and other clients ask besides;
``control`` is for those who want faults.
"""

from argoscope.simulator.api_server.server import ApiServer

__all__ = ["ApiServer"]
