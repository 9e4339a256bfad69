"""Whatever clients send, they get a refusal that says why, and the server goes on."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argoscope.simulator import patches
from argoscope.simulator.api_server import ApiServer, list_options, protobuf
from argoscope.simulator.api_server.columns import COLUMNS
from argoscope.simulator.api_server.reviews import Access
from argoscope.simulator.api_server.tables import cells
from argoscope.simulator.cluster import KINDS, Cluster
from argoscope.simulator.lifecycle import Lifecycle
from argoscope.simulator.statuses import RefusedError
from support.rest import Rest, pod

NAMES = st.sampled_from(
    [
        *("metadata", "name", "namespace", "labels", "finalizers", "ownerReferences", "uid"),
        *("spec", "status", "kind", "apiVersion", "resourceVersion", "generateName", "a"),
        *("containers", "conditions", "ports", "state", "phase", "data", "env", "$patch"),
        *("nodeName", "containerStatuses", "schedules", "involvedObject", "replicas"),
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 9),
    st.floats(allow_nan=False),
    st.text(max_size=3),
    NAMES,
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=5)
KIND = st.sampled_from(KINDS)
FEW = settings(max_examples=80, deadline=None)


def refused_or(action: Any, *arguments: Any) -> Any:
    """The result; None where it was refused, which is the only way to fail."""
    try:
        return action(*arguments)
    except RefusedError as refusal:
        assert refusal.code < 500
        return None


@FEW
@given(kind=KIND, meta=OBJECTS, obj=OBJECTS, changed=JSON)
def test_any_object_is_taken_or_refused(kind: Any, meta: Any, obj: Any, changed: Any) -> None:
    cluster = Cluster(seed=1)
    lifecycle = Lifecycle(cluster)
    namespace = "default" if kind.namespaced else ""
    named = {**obj, "kind": kind.kind, "apiVersion": kind.api_version}
    named["metadata"] = {**meta, "name": "x", "namespace": namespace}
    refused_or(lifecycle.create, kind, namespace, dict(obj))
    stored = refused_or(lifecycle.create, kind, namespace, named)
    if stored is None:
        return
    for change in (lambda _: changed, lambda old: patches.merge(old, changed)):
        refused_or(lifecycle.update, kind, namespace, "x", change)
    assert cells(COLUMNS.get(kind.plural, ()), stored.decode(), 0.0) is not None


@FEW
@given(old=JSON, patch=JSON)
def test_any_patch_is_applied_or_refused(old: Any, patch: Any) -> None:
    refused_or(patches.merge, old, patch)
    refused_or(patches.strategic_merge, old, patch)
    refused_or(patches.apply_json_patch, old, patch)


OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "remove", "replace", "test", "move", "copy", "odd"]),
            "path": st.sampled_from(
                ["", "/", "/a", "/a/0", "/a/-", "/a/9", "/a/-1", "/a/b/c", "x"]
            ),
        },
        optional={"value": JSON, "from": st.sampled_from(["", "/a", "/a/0", "/b"])},
    ),
    max_size=4,
)


@FEW
@given(old=st.fixed_dictionaries({"a": JSON}), operations=OPERATIONS)
def test_any_json_patch_is_applied_or_refused_and_leaves_the_old_one(
    old: Any, operations: Any
) -> None:
    before = repr(old)
    refused_or(patches.apply_json_patch, old, operations)
    assert repr(old) == before


@FEW
@given(data=st.binary(max_size=60))
def test_any_protobuf_is_read_or_refused(data: bytes) -> None:
    refused_or(protobuf.decode, data)
    head = b"\x0a\x0b\x0a\x02v1\x12\x05Event\x12" + bytes([len(data)])
    refused_or(protobuf.decode, b"k8s\0" + head + data)


@FEW
@given(
    query=st.dictionaries(
        st.sampled_from(
            [
                *("limit", "continue", "resourceVersion", "resourceVersionMatch", "watch"),
                *("sendInitialEvents", "labelSelector", "fieldSelector", "timeoutSeconds"),
            ]
        ),
        st.one_of(
            st.text(max_size=4),
            st.sampled_from(["true", "0", "5", "Exact", "NotOlderThan", "a in (b)", "a=b", "e30"]),
        ),
    )
)
def test_any_query_is_understood_or_refused(query: dict[str, str]) -> None:
    refused_or(list_options.read, query)
    refused_or(list_options.select, KINDS[0], "", query)


@FEW
@given(
    plural=st.sampled_from(["tokenreviews", "subjectaccessreviews", "selfsubjectrulesreviews"]),
    review=st.one_of(JSON, st.fixed_dictionaries({"spec": JSON})),
    attributes=JSON,
)
def test_any_review_is_answered_or_refused(plural: str, review: Any, attributes: Any) -> None:
    access = Access(tokens={"t"})
    refused_or(access.review, plural, review, "u")
    refused_or(access.review, plural, {"spec": {"resourceAttributes": attributes}}, "u")


async def test_what_nobody_expected_is_a_status_too(
    server: ApiServer, rest: Rest, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise LookupError("a controller's fault")

    server.cluster.on_write(broken)
    status, answer = await rest("POST", "/api/v1/namespaces/default/pods", pod("p"))
    assert (status, answer["reason"]) == (500, "InternalError")
    assert "a controller's fault" in caplog.text
    assert (await rest("GET", "/api/v1/namespaces/default/pods/p"))[0] == 200
