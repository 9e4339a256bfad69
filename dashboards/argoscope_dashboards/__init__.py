"""Grafana dashboards for what argoscope measures, as code."""
