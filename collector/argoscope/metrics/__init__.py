"""Metric definitions and the registry that holds their series."""
