"""A scripted cluster in real or virtual seconds: runs, pods and releases as Argo writes them.

Smaller than the simulator's engine, and moved by whoever tests: chaos, ledgers and benchmarks make
their objects with it.
"""
