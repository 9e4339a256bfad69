"""Requests that are smaller than what is used."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import KUBERNETES_DOCS, Found, Rule
from argoscope.advice.requests import requests
from argoscope.advice.words import number, size, some

FACTOR = 1.2


def _find(run: Evidence) -> Found | None:
    asked = requests(run.manifest)
    told = []
    for used in run.usage:
        cpu, memory = asked.get(used.template, (0.0, 0.0))
        if cpu and used.cpu is not None and used.cpu > FACTOR * cpu:
            told.append(f"{used.template} asks for {number(cpu)} CPU and used {number(used.cpu)}")
        if memory and used.memory is not None and used.memory > FACTOR * memory:
            told.append(f"{used.template} asks for {size(memory)} and used {size(used.memory)}")
    if not told:
        return None
    return Found(evidence=f"{some(told)}.", saves="avoids throttling, evictions and kills")


RULE = Rule(
    id="undersized-requests",
    title="Ask for what is used",
    source="prometheus",
    fires="a template's main container used more than 1.2 times of its request (with --prometheus)",
    action="Raise the request: on a full node what is above it is taken away first.",
    docs=f"{KUBERNETES_DOCS}/concepts/scheduling-eviction/node-pressure-eviction/",
    find=_find,
)
