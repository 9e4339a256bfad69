"""WorkflowTemplates: an info metric that says which exist, for joins in queries."""

import msgspec

from argoscope.metrics.labels import NAMESPACE
from argoscope.metrics.model import Combine, Instrument, Label, Metric
from argoscope.resources._base import ObjectMeta, Options, Resource, Seen, Sink, Unrecorded
from argoscope.resources._limits import PIPELINE_THRESHOLD, AnnotatedLimits
from argoscope.resources._thresholds import Subject
from argoscope.resources.world import World


class WorkflowTemplate(msgspec.Struct, gc=False):
    """argoproj.io/v1alpha1 WorkflowTemplate or ClusterWorkflowTemplate; the spec is not read."""

    metadata: ObjectMeta


SCOPES = ("namespaced", "cluster")

TEMPLATE_INFO = Metric(
    name="argo.workflow_template.info",
    instrument=Instrument.GAUGE,
    unit="{template}",
    labels=(
        NAMESPACE,
        Label(name="template", help="Name of the WorkflowTemplate or its cluster twin", open=True),
        Label(name="scope", help="Who can use it", values=SCOPES),
    ),
    help="A WorkflowTemplate or ClusterWorkflowTemplate that exists, always 1; the namespace of a "
    "cluster-wide one is empty",
    combine=Combine.MAX,
)


_CLUSTER_WIDE: dict[Subject, str] = {
    "pipeline": "a cluster-wide template says nothing of a namespace: use alerts.thresholds"
}


class TemplateInfos(Unrecorded):
    """One series per object, as long as it exists."""

    def __init__(self, world: World, sink: Sink, options: Options) -> None:
        self._sink = sink
        pipelines: frozenset[Subject] = frozenset({"pipeline"})
        self._limits = AnnotatedLimits("WorkflowTemplate", pipelines, sink, options)

    def upsert(self, obj: WorkflowTemplate, seen: Seen) -> None:
        meta = obj.metadata
        # Only a cluster-wide object has no namespace; both kinds share this derivation.
        scope = "namespaced" if meta.namespace else "cluster"
        self._limits.read(meta, None if meta.namespace else _CLUSTER_WIDE)
        owner = meta.uid or f"{meta.namespace}/{meta.name}"
        self._sink.own(owner, ((TEMPLATE_INFO, (meta.namespace, meta.name, scope), 1.0),))

    def delete(self, uid: str, obj: WorkflowTemplate | None, seen: Seen) -> None:
        self._limits.forget(uid)
        self._sink.own(uid, ())

    def tick(self, now: float) -> None:
        """Nothing here depends on time."""


RESOURCE = Resource(
    name="workflowtemplates",
    group="argoproj.io",
    version="v1alpha1",
    plural="workflowtemplates",
    kind="WorkflowTemplate",
    object_type=WorkflowTemplate,
    metrics=(TEMPLATE_INFO, PIPELINE_THRESHOLD),
    derive=TemplateInfos,
    optional=True,
    order=60,
)
