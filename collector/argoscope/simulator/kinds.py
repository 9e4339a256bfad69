"""The kinds that the simulated cluster serves, as their CRDs and Kubernetes describe them."""

from dataclasses import dataclass

CUSTOM = "argoproj.io"
"""The group of the custom resources; everything else is built into Kubernetes."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind that the server serves."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    """What else kubectl calls it."""
    status: bool = False
    """Has a /status, which alone writes the status; else every write writes all."""
    generation: bool = False
    """``metadata.generation`` counts what was asked for (without /status: every change)."""
    fields: tuple[str, ...] = ()
    """Field selectors beside metadata.name and metadata.namespace."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As error messages name it: workflows.argoproj.io."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def custom(self) -> bool:
        return self.group == CUSTOM


def _argo(
    plural: str, kind: str, *short: str, namespaced: bool = True, status: bool = False
) -> Kind:
    return Kind(CUSTOM, "v1alpha1", plural, kind, namespaced, short, status, generation=True)


KINDS = (
    _argo("workflows", "Workflow", "wf"),
    _argo("cronworkflows", "CronWorkflow", "cwf", "cronwf"),
    _argo("workflowtemplates", "WorkflowTemplate", "wftmpl"),
    _argo(
        "clusterworkflowtemplates",
        "ClusterWorkflowTemplate",
        *("clusterwftmpl", "cwft"),
        namespaced=False,
    ),
    _argo("rollouts", "Rollout", "ro", status=True),
    _argo("analysisruns", "AnalysisRun", "ar"),
    Kind(
        *("", "v1", "pods", "Pod"),
        short=("po",),
        status=True,
        fields=(
            *("spec.nodeName", "spec.restartPolicy", "spec.schedulerName"),
            *("spec.serviceAccountName", "status.phase", "status.podIP"),
            "status.nominatedNodeName",
        ),
    ),
    Kind(
        *("", "v1", "events", "Event"),
        short=("ev",),
        fields=(
            *(
                f"involvedObject.{field}"
                for field in ("apiVersion", "fieldPath", "kind", "name", "namespace")
            ),
            *("involvedObject.resourceVersion", "involvedObject.uid", "reason", "source", "type"),
        ),
    ),
    Kind(
        *("", "v1", "nodes", "Node", False),
        short=("no",),
        status=True,
        fields=("spec.unschedulable",),
    ),
    _argo("workflowtaskresults", "WorkflowTaskResult"),
    _argo("analysistemplates", "AnalysisTemplate", "at"),
    _argo("clusteranalysistemplates", "ClusterAnalysisTemplate", "cat", namespaced=False),
    _argo("experiments", "Experiment", "exp"),
    Kind(
        *("", "v1", "namespaces", "Namespace", False),
        short=("ns",),
        status=True,
        fields=("status.phase",),
    ),
    Kind("", "v1", "configmaps", "ConfigMap", short=("cm",)),
    Kind("", "v1", "secrets", "Secret", fields=("type",)),
    Kind("", "v1", "serviceaccounts", "ServiceAccount", short=("sa",)),
    Kind("", "v1", "services", "Service", short=("svc",), status=True),
    Kind(
        "apps", "v1", "deployments", "Deployment", short=("deploy",), status=True, generation=True
    ),
    Kind("apps", "v1", "replicasets", "ReplicaSet", short=("rs",), status=True, generation=True),
    Kind("coordination.k8s.io", "v1", "leases", "Lease"),
)

LEASES = KINDS[-1]
