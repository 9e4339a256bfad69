"""Names of attributes, and Argo's results in OpenTelemetry's words.

Source: OpenTelemetry semantic conventions 1.44.0, CI/CD (pipelines and tasks), Kubernetes, error. A
test compares with the constants of ``opentelemetry.semconv``, which take 20 ms to import.
"""

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"

PIPELINE_NAME = "cicd.pipeline.name"
PIPELINE_RESULT = "cicd.pipeline.result"
PIPELINE_ACTION = "cicd.pipeline.action.name"
RUN_ID = "cicd.pipeline.run.id"
RUN_STATE = "cicd.pipeline.run.state"
TASK_NAME = "cicd.pipeline.task.name"
TASK_RUN_ID = "cicd.pipeline.task.run.id"
TASK_RESULT = "cicd.pipeline.task.run.result"
ERROR_TYPE = "error.type"
NAMESPACE = "k8s.namespace.name"
POD = "k8s.pod.name"
CONTAINER = "k8s.container.name"

STANDARD = (
    PIPELINE_NAME,
    PIPELINE_RESULT,
    PIPELINE_ACTION,
    RUN_ID,
    RUN_STATE,
    TASK_NAME,
    TASK_RUN_ID,
    TASK_RESULT,
    ERROR_TYPE,
    NAMESPACE,
    POD,
    CONTAINER,
)

_BY_CAUSE = {
    "deadline": "timeout",
    "stopped": "cancellation",
    "terminated": "cancellation",
    "replaced": "cancellation",
    # What the platform did, and not the pipeline.
    "evicted": "error",
    "preempted": "error",
    "node_lost": "error",
}
_BY_PHASE = {
    "Succeeded": "success",
    "Failed": "failure",
    "Error": "error",
    "Skipped": "skip",
    "Omitted": "skip",
}


def result(phase: str, cause: str) -> str:
    """The result of a pipeline or task run; empty for a phase that is no end."""
    if phase in ("Failed", "Error") and cause in _BY_CAUSE:
        return _BY_CAUSE[cause]
    return _BY_PHASE.get(phase, "")
