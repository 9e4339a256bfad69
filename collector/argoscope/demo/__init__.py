"""``argoscope demo``: a simulated cluster faster than life, and the real daemon watching it.

The API server and the cluster run in this process, the daemon and Prometheus are children: what
the demo shows is what ``argoscope run`` does with any cluster.
"""
