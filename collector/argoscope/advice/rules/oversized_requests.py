"""Requests that are much larger than what is used."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import KUBERNETES_DOCS, Found, Rule
from argoscope.advice.requests import requests
from argoscope.advice.words import number, size, some

FACTOR = 4.0
LEAST_CPU, LEAST_MEMORY = 0.5, 512 * 2**20


def _find(run: Evidence) -> Found | None:
    asked = requests(run.manifest)
    told = []
    for used in run.usage:
        cpu, memory = asked.get(used.template, (0.0, 0.0))
        if used.cpu is not None and cpu - used.cpu >= LEAST_CPU and cpu > FACTOR * used.cpu:
            told.append(f"{used.template} asks for {number(cpu)} CPU and used {number(used.cpu)}")
        if (
            used.memory is not None
            and memory - used.memory >= LEAST_MEMORY
            and memory > FACTOR * used.memory
        ):
            told.append(f"{used.template} asks for {size(memory)} and used {size(used.memory)}")
    if not told:
        return None
    evidence = f"{some(told)} at most."
    return Found(evidence=evidence, saves="makes room for other pods, and shorter queues")


RULE = Rule(
    id="oversized-requests",
    title="Ask for less",
    source="prometheus",
    fires="a template's main container asks for more than four times of what it used at most, and"
    " for half a core or 512 MiB more (with --prometheus)",
    action="Lower the request to what it uses at its peak, and a margin.",
    docs=f"{KUBERNETES_DOCS}/concepts/configuration/manage-resources-containers/",
    find=_find,
)
