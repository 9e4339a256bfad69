"""What a run was asked to do: its spec, merged with those of the templates that it refers to.

Manifests are written by people and checked by Argo only in part, so everything is read with care:
what has another shape than expected is not there.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

Raw = Mapping[str, Any]


class Container(NamedTuple):
    """A container of a template."""

    template: str
    role: str
    """main, init or sidecar."""
    name: str
    spec: Raw
    patch: str = ""
    """podSpecPatch of the workflow and the template: a template of its own, as text."""


def mapping(value: Any) -> Raw:
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[Raw]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


class Manifest:
    """``spec`` is the Workflow's own, ``stored`` status.storedWorkflowTemplateSpec, ``templates``
    status.storedTemplates."""

    def __init__(self, spec: Raw, stored: Raw | None = None, templates: Raw | None = None) -> None:
        self._specs = [spec, stored or {}]
        self._stored_templates = templates or {}

    def setting(self, name: str) -> Any:
        """A field of the spec, as it holds for the run; None if it is not set."""
        return next((spec[name] for spec in self._specs if spec.get(name) is not None), None)

    @property
    def is_empty(self) -> bool:
        """Nothing is known of it."""
        return not any(self._specs)

    @property
    def parallelism(self) -> int:
        value = self.setting("parallelism")
        return value if isinstance(value, int) else 0

    def templates(self) -> Iterator[tuple[str, Raw]]:
        """(name, template), each name once."""
        seen = set()
        for spec in self._specs:
            for template in mappings(spec.get("templates")):
                name = str(template.get("name", ""))
                if name not in seen:
                    seen.add(name)
                    yield name, template
        for key, template in self._stored_templates.items():
            if isinstance(template, dict):
                name = str(template.get("name") or key)
                if name not in seen:
                    seen.add(name)
                    yield name, template

    def containers(self) -> Iterator[Container]:
        whole = self.setting("podSpecPatch")
        for name, template in self.templates():
            patches = [text for text in (whole, template.get("podSpecPatch")) if text]
            patch = "\n".join(text for text in patches if isinstance(text, str))
            for container in self._containers(name, template):
                yield container._replace(patch=patch)

    def _containers(self, name: str, template: Raw) -> Iterator[Container]:
        # What templateDefaults give holds for all, unless a template says otherwise.
        defaults = mapping(self.setting("templateDefaults"))
        for field in ("container", "script"):
            if spec := mapping(template.get(field)):
                yield Container(name, "main", "main", {**mapping(defaults.get(field)), **spec})
        for spec in mappings(mapping(template.get("containerSet")).get("containers")):
            yield Container(name, "main", str(spec.get("name", "main")), spec)
        for field, role in (("initContainers", "init"), ("sidecars", "sidecar")):
            for spec in mappings(template.get(field)):
                yield Container(name, role, str(spec.get("name", "")), spec)

    def images(self) -> dict[str, list[str]]:
        """Image -> templates that use it. What parameters fill in is left out."""
        found: dict[str, list[str]] = {}
        for container in self.containers():
            image = container.spec.get("image")
            if isinstance(image, str) and image and "{{" not in image:
                templates = found.setdefault(image, [])
                if container.template not in templates:
                    templates.append(container.template)
        return found


EMPTY = Manifest({})


class _Status(msgspec.Struct, gc=False, rename="camel"):
    stored_workflow_template_spec: Any = None
    stored_templates: Any = None


class _Workflow(msgspec.Struct, gc=False):
    spec: Any = None
    status: _Status = msgspec.field(default_factory=_Status)


_decode = msgspec.json.Decoder(_Workflow).decode


def manifest_of(raw: bytes | msgspec.Raw) -> Manifest:
    """Of a Workflow's JSON; an empty one if it can't be read."""
    try:
        found = _decode(raw)
    except msgspec.MsgspecError:
        return EMPTY
    return Manifest(
        mapping(found.spec),
        mapping(found.status.stored_workflow_template_spec),
        mapping(found.status.stored_templates),
    )
