"""A rollout's ReplicaSets: made, numbered, scaled and dropped by the Rollouts controller."""

from copy import deepcopy

from argoscope.simulator.engine.kernel import Kernel, Object, stamp, unix
from argoscope.simulator.engine.rollouts import counts, spec
from argoscope.simulator.engine.rollouts.telling import Telling


def hash_of(replica_set: Object | None) -> str:
    return str(replica_set["metadata"]["labels"][spec.HASH]) if replica_set else ""


def revision_of(replica_set: Object) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(spec.REVISION, 0))


def deadline_of(replica_set: Object | None) -> float | None:
    """When it is to be scaled down, in Unix seconds."""
    if replica_set is None:
        return None
    found = replica_set["metadata"]["annotations"].get(spec.DEADLINE)
    return unix(found) if found else None


def owner(rollout: Object) -> Object:
    meta = rollout["metadata"]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def new_replica_set(
    rollout: Object, template: Object, selector: Object, digest: str, revision: int
) -> Object:
    """The ReplicaSet of a pod template, with no replicas yet."""
    meta = rollout["metadata"]
    template = deepcopy(template)
    labels = {**(template.setdefault("metadata", {}).get("labels") or {}), spec.HASH: digest}
    template["metadata"]["labels"] = labels
    annotations = {
        spec.DESIRED: str(spec.replicas(rollout)),
        spec.REVISION: str(revision),
    }
    workload = (meta.get("annotations") or {}).get(spec.WORKLOAD_GENERATION)
    if workload:
        annotations[spec.WORKLOAD_GENERATION] = workload
    matched = {**(selector.get("matchLabels") or {}), spec.HASH: digest}
    wanted: Object = {"replicas": 0, "selector": {"matchLabels": matched}, "template": template}
    if rollout["spec"].get("minReadySeconds"):
        wanted["minReadySeconds"] = rollout["spec"]["minReadySeconds"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name']}-{digest}",
            "namespace": meta.get("namespace", ""),
            "generation": 1,
            "labels": dict(labels),
            "annotations": annotations,
            "ownerReferences": [owner(rollout)],
        },
        "spec": wanted,
        "status": {"replicas": 0},
    }


class ReplicaSets:
    """Those of one rollout during one reconciliation."""

    def __init__(
        self, kernel: Kernel, telling: Telling, rollout: Object, found: list[Object], digest: str
    ) -> None:
        self._kernel = kernel
        self._telling = telling
        self._rollout = rollout
        self.all = found
        self.digest = digest
        self.new = self.by_hash(digest)

    def by_hash(self, digest: str) -> Object | None:
        return next((found for found in self.all if digest and hash_of(found) == digest), None)

    @property
    def stable(self) -> Object | None:
        return self.by_hash(self._rollout["status"].get("stableRS", ""))

    @property
    def others(self) -> list[Object]:
        """Neither the new nor the stable one, the newest first."""
        kept = (self.digest, self._rollout["status"].get("stableRS", ""))
        found = [each for each in self.all if hash_of(each) not in kept]
        return sorted(found, key=revision_of, reverse=True)

    def next_revision(self) -> int:
        """One more than the highest of the old ones."""
        return 1 + max((revision_of(each) for each in self.all if each is not self.new), default=0)

    def create(self, template: Object, selector: Object, revision: int) -> Object:
        self.new = new_replica_set(self._rollout, template, selector, self.digest, revision)
        self._kernel.put("replicasets", self.new)
        self.all.append(self.new)
        return self.new

    def renumber(self, revision: int) -> None:
        """The new ReplicaSet is an old one that is wanted again."""
        assert self.new is not None
        annotations = self.new["metadata"]["annotations"]
        history = annotations.get(spec.HISTORY)
        old = annotations[spec.REVISION]
        annotations[spec.HISTORY] = f"{history},{old}" if history else old
        annotations[spec.REVISION] = str(revision)
        self._kernel.put("replicasets", self.new)

    def scale(self, replica_set: Object, count: int, *, keep_deadline: bool = False) -> bool:
        """Sets spec.replicas; False if it has that many already."""
        annotations = replica_set["metadata"]["annotations"]
        desired, before = str(spec.replicas(self._rollout)), counts.wanted(replica_set)
        if before == count and annotations.get(spec.DESIRED) == desired:
            return False
        annotations[spec.DESIRED] = desired
        if count == 0 and not keep_deadline:
            annotations.pop(spec.DEADLINE, None)
        if before != count:
            replica_set["spec"]["replicas"] = count
            replica_set["metadata"]["generation"] += 1
        self._kernel.put("replicasets", replica_set)
        if before == count:
            return False
        way = "up" if before < count else "down"
        name, revision = replica_set["metadata"]["name"], revision_of(replica_set)
        self._telling.event(
            "ScalingReplicaSet",
            f"Scaled {way} ReplicaSet {name} (revision {revision}) from {before} to {count}",
        )
        return True

    def is_scaling(self) -> bool:
        """Whether spec.replicas of the rollout has changed since the ReplicaSets were scaled."""
        desired = str(spec.replicas(self._rollout))
        return any(
            counts.wanted(each) > 0
            and each["metadata"]["annotations"].get(spec.DESIRED, desired) != desired
            for each in self.all
        )

    def acknowledge(self) -> None:
        """Old ReplicaSets that stay as they are for now must not look like scaling for ever."""
        desired, kept = str(spec.replicas(self._rollout)), self.others
        if spec.blue_green(self._rollout) and self.stable not in (None, self.new):
            kept.append(self.stable)  # its successor is active, but not stable yet
        for each in kept:
            annotations = each["metadata"]["annotations"]
            if counts.wanted(each) > 0 and annotations.get(spec.DESIRED) != desired:
                annotations[spec.DESIRED] = desired
                self._kernel.put("replicasets", each)

    def is_saturated(self, replica_set: Object | None) -> bool:
        """Whether it serves with all replicas of the rollout."""
        replicas = spec.replicas(self._rollout)
        return (
            replica_set is not None
            and counts.wanted(replica_set) == counts.available(replica_set) == replicas
            and replica_set["metadata"]["annotations"].get(spec.DESIRED) == str(replicas)
        )

    def delay(self, replica_set: Object, seconds: float) -> None:
        """Marks it for being scaled down later."""
        if seconds > 0:
            deadline = stamp(self._kernel.now + seconds)
            replica_set["metadata"]["annotations"][spec.DEADLINE] = deadline
            self._kernel.put("replicasets", replica_set)
        else:
            self.undelay(replica_set)

    def undelay(self, replica_set: Object | None) -> None:
        if deadline_of(replica_set) is not None:
            assert replica_set is not None
            del replica_set["metadata"]["annotations"][spec.DEADLINE]
            self._kernel.put("replicasets", replica_set)

    def trim(self) -> list[str]:
        """Deletes the oldest ones beyond the history limit that have no pods; returns hashes."""
        limit = self._rollout["spec"].get("revisionHistoryLimit")
        old, gone = self.others, []
        for each in reversed(old[10 if limit is None else int(limit) :]):
            status = each.get("status", {})
            seen = status.get("observedGeneration", 0) >= each["metadata"]["generation"]
            if counts.wanted(each) == 0 and counts.existing(each) == 0 and seen:
                self._kernel.remove("replicasets", each)
                self.all.remove(each)
                gone.append(hash_of(each))
        return gone

    def total(self, field: str) -> int:
        return sum(int(each.get("status", {}).get(field, 0)) for each in self.all)
