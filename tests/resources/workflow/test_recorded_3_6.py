"""Every scenario of the recording argo-3.6, worked out by hand from its summary.

What 3.6 does otherwise: the controller acts at once on stop and terminate, nodes that were
terminated stay Failed, messages do not name the container, and big statuses are compressed.
"""

import pytest

from support.workflow_scenarios import Expect, replay, scenarios

BIG_FANOUT = sum(
    (
        *(10, 9, 14, 12, 14, 15, 15, 10, 9, 14, 12, 14, 14, 14, 13, 14, 14, 14, 13, 15),
        *(6, 8, 14, 17, 19, 16, 17, 19, 20, 24, 13, 19, 22, 23, 25, 17, 25, 25, 24, 25),
        *(20, 19, 9, 10, 11, 11, 8, 11, 12, 7, 7, 9, 9, 9, 9, 9, 9, 10, 9, 10),
    )
)

EXPECTED = {
    # a 45-50 | b and c 55-01 | d 05-14
    "steps-seq": Expect("Succeeded 1/30", "w Succeeded 4/26", gaps="3/14"),
    # a 48-52 | b 58-03, c 58-08 | d 18-22
    "dag-diamond": Expect("Succeeded 1/40", "w Succeeded 3/13; slow Succeeded 1/10", gaps="3/22"),
    "fanout": Expect("Succeeded 1/40", "w Succeeded 12/90"),
    # p 54-59, q 54-58 | y 04-13 | end 24-31
    "nested": Expect("Succeeded 1/40", "w Succeeded 4/25", gaps="2/16"),
    # gen 57-01 | three from 07
    "with-param": Expect("Succeeded 1/20", "gen Succeeded 1/4; w Succeeded 3/20", gaps="3/18"),
    "retry-ok": Expect(
        "Succeeded 1/41",
        "main Failed 2/15; main Succeeded 1/5",
        failures="main exit_code 2",
        retries="main 2",
    ),
    "retry-exhausted": Expect(
        "Failed 1/40",
        "w Failed 3/21",
        causes="exit_code 1",
        failures="w exit_code 3",
        retries="w 2",
    ),
    "retry-expression": Expect(
        "Failed 1/10", "main Failed 1/7", causes="exit_code 1", failures="main exit_code 1"
    ),
    "oom": Expect("Failed 1/20", "main Failed 1/11", causes="oom 1", failures="main oom 1"),
    "oom-main": Expect(
        "Failed 1/40", "main Failed 2/22", causes="oom 1", failures="main oom 2", retries="main 1"
    ),
    # ok 15-19 | bad 25-31
    "exit-code": Expect(
        "Failed 1/20",
        "ok Succeeded 1/4; bad Failed 1/6",
        causes="exit_code 1",
        failures="bad exit_code 1",
        gaps="1/6",
    ),
    # the node ended when the deadline passed and not when the controller came back
    "wf-deadline": Expect(
        "Failed 1/18", "main Failed 1/8", causes="deadline 1", failures="main deadline 1"
    ),
    "tmpl-deadline": Expect(
        "Failed 1/10", "main Failed 1/10", causes="deadline 1", failures="main deadline 1"
    ),
    "tmpl-timeout": Expect(
        "Failed 1/10", "w Failed 1/10", causes="deadline 1", failures="w deadline 1"
    ),
    "image-pull": Expect(
        "Failed 1/55",
        "main Failed 1/45",
        causes="terminated 1",
        failures="main terminated 1",
        actions="terminate 1",
    ),
    "image-invalid": Expect(
        "Failed 1/50", "main Failed 1/50", causes="deadline 1", failures="main deadline 1"
    ),
    "unschedulable-cpu": Expect(
        "Failed 1/40",
        "main Failed 1/40",
        causes="stopped 1",
        failures="main stopped 1",
        actions="stop 1",
    ),
    "unschedulable-selector": Expect(),
    "unbound-volume": Expect("Succeeded 1/10", "main Succeeded 1/4"),
    "missing-configmap": Expect(
        "Failed 1/35", "main Failed 1/35", causes="deadline 1", failures="main deadline 1"
    ),
    "missing-secret-volume": Expect("Succeeded 1/10", "main Succeeded 1/4"),
    "quota": Expect("Succeeded 1/30", "w Succeeded 5/78"),
    # build 51-55 | approve 01-14 | release 14-18
    "suspend-approve": Expect(
        "Succeeded 1/33",
        "w Succeeded 2/8; gate:Suspend Succeeded 1/13",
        gaps="2/6",
        actions="resume 1",
    ),
    "suspend-timed": Expect(
        "Succeeded 1/19", "gate:Suspend Succeeded 1/9; w Succeeded 1/4", gaps="1/0"
    ),
    "suspend-denied": Expect(
        "Failed 1/6",
        "gate:Suspend Failed 1/6",
        causes="stopped 1",
        failures="gate stopped 1",
        actions="stop 1",
    ),
    # a 00-10 | b 19-25
    "suspended-workflow": Expect(
        "Succeeded 1/30", "w Succeeded 2/16", gaps="1/9", actions="suspend 1; resume 1"
    ),
    # all created 03; started 03, 24, 35
    "mutex": Expect("Succeeded 3/50", "main Succeeded 3/27", locks="2/53", pending="3/53"),
    "mutex-template": Expect("Succeeded 1/32", "w Succeeded 3/51", locks="2/32.2"),
    # all created 09; started 09, 09, 19, 29
    "semaphore": Expect("Succeeded 4/71", "main Succeeded 4/38", locks="2/30", pending="4/30"),
    "on-exit": Expect(
        "Failed 1/20",
        "main Failed 1/3; notify Succeeded 1/4",
        causes="exit_code 1",
        failures="main exit_code 1",
    ),
    "on-exit-fails": Expect(
        "Failed 1/20",
        "main Succeeded 1/3; notify Failed 1/3",
        causes="exit_code 1",
        failures="notify exit_code 1",
    ),
    "hooks": Expect("Succeeded 1/30", "w Succeeded 1/10; h Succeeded 2/7"),
    "ttl": Expect("Succeeded 1/10", "main Succeeded 1/5"),
    "ttl-failure": Expect(
        "Failed 1/10", "main Failed 1/4", causes="exit_code 1", failures="main exit_code 1"
    ),
    "pod-gc": Expect("Succeeded 1/10", "w Succeeded 2/10"),
    "pod-gc-delay": Expect("Succeeded 1/10", "main Succeeded 1/6"),
    # extract 33-37, a 33-39 | both successors from 43
    "template-ref": Expect(
        "Succeeded 2/40", "w Succeeded 3/15; notify Succeeded 1/5", gaps="2/10", pending="2/0"
    ),
    # ok 36-41 | bad 46-50; the retry starts at 59 with bad
    "argo-retry": Expect(
        "Failed 2/27",
        "ok Succeeded 1/5; bad Failed 2/10",
        causes="exit_code 2",
        failures="bad exit_code 2",
        gaps="1/5",
        actions="retry 1",
    ),
    "argo-resubmit": Expect(
        "Failed 2/20",
        "main Failed 2/6",
        causes="exit_code 2",
        failures="main exit_code 2",
        pending="2/0",
        actions="resubmit 1",
    ),
    "stop-running": Expect(
        "Failed 1/20",
        "w Failed 1/10; bye Succeeded 1/3",
        causes="stopped 1",
        failures="w stopped 1",
        actions="stop 1",
    ),
    # 4.1 ends the same Succeeded: here the nodes stay Failed though their pods exit 0
    "terminate-running": Expect(
        "Failed 1/20",
        "w Failed 2/20",
        causes="terminated 1",
        failures="w terminated 2",
        actions="terminate 1",
    ),
    "delete-running": Expect(unobserved="deleted_running 1"),
    "pod-deleted": Expect(
        "Error 1/20", "main Error 1/20", causes="error 1", failures="main error 1"
    ),
    "memoize": Expect("Succeeded 2/0", pending="2/0"),
    # make 57-03 | use 07-11
    "artifacts": Expect("Succeeded 1/20", "make Succeeded 1/6; use Succeeded 1/4", gaps="1/4"),
    "artifact-missing": Expect(
        "Error 1/10", "main Error 1/7", causes="output 1", failures="main output 1"
    ),
    "artifact-input-missing": Expect(
        "Error 1/10", "main Error 1/1", causes="input 1", failures="main input 1"
    ),
    "resource-template": Expect("Succeeded 1/20", "main Succeeded 1/12"),
    "http-template": Expect(),  # hangs until the recording ends
    "daemon": Expect("Succeeded 1/30", "server Succeeded 1/10; client Succeeded 1/6", gaps="1/0"),
    "sidecar": Expect("Succeeded 1/10", "main Succeeded 1/6"),
    "init-containers": Expect("Succeeded 1/20", "main Succeeded 1/10"),
    "container-set": Expect("Succeeded 1/20", "main Succeeded 1/10; main:Container Succeeded 3/30"),
    # a 24-26 | cleanup 34-37
    "dag-depends": Expect(
        "Failed 1/20",
        "bad Failed 1/2; ok Succeeded 1/3",
        causes="exit_code 1",
        failures="bad exit_code 1",
        gaps="1/8",
    ),
    "dag-no-failfast": Expect(
        "Failed 1/10",
        "bad Failed 1/5; slow Succeeded 1/9",
        causes="exit_code 1",
        failures="bad exit_code 1",
    ),
    # a 30-33 | b 40-53
    "continue-on": Expect(
        "Succeeded 1/31",
        "bad Failed 1/3; ok Succeeded 1/13",
        failures="bad exit_code 1",
        gaps="1/7",
    ),
    "when-skipped": Expect("Succeeded 1/10", "ok Succeeded 1/4"),
    "compressed": Expect("Succeeded 1/11", "ok Succeeded 1/4"),  # inline first, then compressed
    "big-fanout": Expect("Succeeded 1/70", f"w Succeeded 60/{BIG_FANOUT}"),
    "invalid-spec": Expect("Failed 1/0", causes="invalid_spec 1"),
    "invalid-param": Expect("Failed 1/0", causes="invalid_spec 1"),
    "no-command": Expect(
        "Error 1/0", "main Error 1/0", causes="invalid_spec 1", failures="main invalid_spec 1"
    ),
    "metrics-own": Expect("Succeeded 1/10", "main Succeeded 1/6"),
    # preempted while it initialized: its node names only what the pod looked like
    "preempted": Expect(
        "Succeeded 2/112",
        "main Error 1/1; main Succeeded 2/79",
        failures="main error 1",
        retries="main 1",
        pending="2/0",
    ),
    "evicted": Expect(
        "Failed 1/105", "main Failed 1/105", causes="evicted 1", failures="main evicted 1"
    ),
    "parallelism-queue": Expect("Succeeded 6/199", "main Succeeded 6/146", pending="6/1"),
    "priority": Expect("Succeeded 2/68", "main Succeeded 2/46", pending="2/0"),
    "long-names": Expect("Failed 1/0", causes="invalid_spec 1"),
    # a 09-25 | b 32-39
    "outputs": Expect("Succeeded 1/33", "gen Succeeded 1/16; w Succeeded 1/7", gaps="1/7"),
    "minutely": Expect("Succeeded 7/113", "main Succeeded 7/78", pending="7/0"),
    "minutely-fails": Expect(
        "Failed 7/96",
        "main Failed 7/50",
        causes="exit_code 7",
        failures="main exit_code 7",
        pending="7/0",
    ),
    "forbid-long": Expect("Succeeded 3/345", "main Succeeded 3/316", pending="3/0"),
    "replace-long": Expect(
        "Failed 6/420",
        "main Failed 6/360",
        causes="replaced 6",
        failures="main replaced 6",
        pending="7/0",
    ),
    "tz": Expect("Succeeded 4/50", "main Succeeded 4/37", pending="4/0"),
    "deadline": Expect("Succeeded 7/100", "main Succeeded 7/69", pending="7/0"),
    "stops-after-two": Expect("Succeeded 2/30", "main Succeeded 2/19", pending="2/0"),
}


def test_every_recorded_scenario_is_in_the_table() -> None:
    assert set(scenarios("argo-3.6")) == set(EXPECTED)


@pytest.mark.parametrize("scenario", EXPECTED)
def test_scenario_gives_what_its_summary_says(scenario: str) -> None:
    found, expected = replay("argo-3.6", scenario).totals(), EXPECTED[scenario].totals()
    # Argo writes no time when a node gets a lock, so that wait ends with the event that shows it.
    assert found.locks == pytest.approx(expected.locks, abs=1.1)
    expected.locks = found.locks
    assert found == expected
