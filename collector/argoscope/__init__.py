"""argoscope: what Argo Workflows, CronWorkflows and Rollouts do, as metrics."""

__version__ = "0.1.0"
