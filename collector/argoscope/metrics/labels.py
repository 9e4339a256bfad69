"""Every label, defined once."""

from argoscope.metrics.model import Label

NAMESPACE = Label(name="namespace", help="Namespace of the object", open=True)
PIPELINE = Label(
    name="pipeline",
    help="Stable name that the runs of one pipeline share: template, cron, generateName or name",
    open=True,
)
TEMPLATE = Label(name="template", help="Template of the node, as in the workflow's spec", open=True)
CRON = Label(name="cron", help="Name of the CronWorkflow", open=True)
ROLLOUT = Label(name="rollout", help="Name of the Rollout", open=True)
