"""Real CronWorkflows of public repositories."""

import json

from argoscope.resources.cron_workflow.metrics import INFO, INVALID
from support.crons import Crons, clock
from support.recordings import require_shared

NOW = clock("12:00:00")

# By file name without the repository, checked one by one. Fixtures of other projects that hold no
# schedule hold no template either.
EMPTY = {"schedule", "spec"}
INVALID_ONES = {
    "LOCAL-ARGO-MCP-TESTING-mcp-test-cron-c81aa2ec": {
        "never_fires"  # 0 0 31 2 *
    },
    "degradedCronWorkflowWithSpecError-test-cron-wf-db3f563d": EMPTY,
    "degradedCronWorkflowWithSubmissionError-test-cron-wf-1e3547e9": EMPTY,
    "healthyCronWorkflow-test-cron-wf-f9f6c992": EMPTY,
    "noConditionsCronWorkflow-test-cron-wf-c2769189": EMPTY,
    "withConditionButHealthyCronWorkflow-test-cron-wf-ea075666": EMPTY,
    "special-workflow-trigger-submit-existing-special-trigger-3cce92ca-a": (EMPTY),
    "convert-test-cronWfInstanceIDString-5993c907": {
        "spec"  # entrypoint, and no templates
    },
    "cron-test-TestBasic-310136a5": {
        "timezone"  # a format string was left in: %s
    },
    "cron-workflow-server-test-Test-cronWorkflowServiceServer-60e65afd-a": (EMPTY),
    "malformed-cronworkflow-malformed-e31a221d": EMPTY,
    "operator-test-invalidWf-60396cb3": {
        "spec"  # entrypoint whalesay, template "bad template name"
    },
    "operator-test-specError-8d963494-b": {
        "schedule"  # month 12737123
    },
    "util-test-invalidCwf-9677add3": {
        "spec"  # entrypoint argosay, template "argosay!3"
    },
    "create-cron-workflow-test-no-schedule-cron-893a60c3": {"schedule"},
    "lint-cron-workflow-test-TestLintCronWorkflowHandler-b78ff69f": {
        "spec"  # entrypoint nonexistent-template
    },
}


def test_every_real_cron_is_read_and_the_invalid_ones_are_reported() -> None:
    found: dict[str, set[str]] = {}
    paths = sorted(require_shared("corpus/CronWorkflow").glob("*.json"))
    for path in paths:
        crons = Crons()
        crons.take(NOW, {"type": "ADDED", "object": json.loads(path.read_text())})
        crons.tick()
        assert len(list(crons.registry.samples(INFO))) == 1, path.name
        reasons = {labels[2] for labels, value in crons.registry.samples(INVALID) if value}
        assert reasons == {
            reason.removeprefix("invalid_") for _, reason in crons.registry.problems
        }, path.name
        if reasons:
            found[path.stem.split("__")[1]] = reasons
    assert len(paths) == 63
    assert found == INVALID_ONES
