"""Every scenario of the recording argo-4.1, worked out by hand from its summary.

Seconds come from the summary: a node's are in brackets behind its phase, it starts when its pod
was created, a gap is from the end of one node to the start of the next.
"""

import pytest

from support.workflow_scenarios import Expect, replay, scenarios

BIG_FANOUT = sum(
    (
        # i(0) to i(19), the first ones that may run at once
        *(17, 17, 17, 17, 13, 14, 13, 17, 14, 16, 17, 16, 17, 16, 17, 17, 20, 19, 20, 17),
        # i(20) to i(39)
        *(14, 12, 14, 15, 15, 14, 11, 12, 10, 11, 15, 11, 13, 11, 14, 16, 15, 7, 8, 7),
        # i(40) to i(59)
        *(10, 13, 14, 11, 13, 15, 11, 11, 14, 15, 14, 15, 14, 14, 14, 11, 13, 14, 14, 15),
    )
)

EXPECTED = {
    # a 04-09 | b and c 14-20 | d 24-29
    "steps-seq": Expect("Succeeded 1/30", "w Succeeded 4/22", gaps="3/14"),
    # a 07-10 | b 17-21, c 17-25 | d 27-33: d waited for c
    "dag-diamond": Expect("Succeeded 1/30", "w Succeeded 3/13; slow Succeeded 1/8", gaps="3/16"),
    # parallelism 4 holds items back, but they have no predecessors
    "fanout": Expect("Succeeded 1/30", "w Succeeded 12/72"),
    # p and q 13-17 | y 23-28 | end 33-39
    "nested": Expect("Succeeded 1/30", "w Succeeded 4/19", gaps="2/11"),
    # gen 16-19 | three from 26
    "with-param": Expect("Succeeded 1/20", "gen Succeeded 1/3; w Succeeded 3/18", gaps="3/21"),
    "retry-ok": Expect(
        "Succeeded 1/34",
        "main Failed 2/12; main Succeeded 1/4",
        failures="main exit_code 2",
        retries="main 2",
    ),
    "retry-exhausted": Expect(
        "Failed 1/31",
        "w Failed 3/16",
        causes="exit_code 1",
        failures="w exit_code 3",
        retries="w 2",
    ),
    "retry-expression": Expect(
        "Failed 1/10", "main Failed 1/4", causes="exit_code 1", failures="main exit_code 1"
    ),
    "oom": Expect("Failed 1/20", "main Failed 1/11", causes="oom 1", failures="main oom 1"),
    "oom-main": Expect(
        "Failed 1/40", "main Failed 2/22", causes="oom 1", failures="main oom 2", retries="main 1"
    ),
    # ok 34-39 | bad 45-49
    "exit-code": Expect(
        "Failed 1/21",
        "ok Succeeded 1/5; bad Failed 1/4",
        causes="exit_code 1",
        failures="bad exit_code 1",
        gaps="1/6",
    ),
    "wf-deadline": Expect(
        "Failed 1/18", "main Failed 1/18", causes="deadline 1", failures="main deadline 1"
    ),
    "tmpl-deadline": Expect(
        "Failed 1/10", "main Failed 1/10", causes="deadline 1", failures="main deadline 1"
    ),
    "tmpl-timeout": Expect(
        "Failed 1/10", "w Failed 1/10", causes="deadline 1", failures="w deadline 1"
    ),
    "image-pull": Expect(
        "Failed 1/52",
        "main Failed 1/52",
        causes="terminated 1",
        failures="main terminated 1",
        actions="terminate 1",
    ),
    # only the pod says that the deadline passed because of the image's name
    "image-invalid": Expect(
        "Failed 1/50", "main Failed 1/50", causes="deadline 1", failures="main deadline 1"
    ),
    "unschedulable-cpu": Expect(
        "Failed 1/51",
        "main Failed 1/51",
        causes="stopped 1",
        failures="main stopped 1",
        actions="stop 1",
    ),
    "unschedulable-selector": Expect(),  # stuck: Running until the recording ends
    "unbound-volume": Expect("Succeeded 1/10", "main Succeeded 1/5"),
    "missing-configmap": Expect(
        "Failed 1/35", "main Failed 1/35", causes="deadline 1", failures="main deadline 1"
    ),
    "missing-secret-volume": Expect("Succeeded 1/10", "main Succeeded 1/3"),
    # a node that waited for quota began before its pod: 8, 8, 18, 18, 29
    "quota": Expect("Succeeded 1/30", "w Succeeded 5/81"),
    # build 10-14 | approve 20-33 | release 43-47
    "suspend-approve": Expect(
        "Succeeded 1/43",
        "w Succeeded 2/8; gate:Suspend Succeeded 1/13",
        gaps="2/16",
        actions="resume 1",
    ),
    # delay 13-22 | w 22-26: nobody resumed it
    "suspend-timed": Expect(
        "Succeeded 1/19", "gate:Suspend Succeeded 1/9; w Succeeded 1/4", gaps="1/0"
    ),
    "suspend-denied": Expect(
        "Failed 1/10",
        "gate:Suspend Failed 1/10",
        causes="stopped 1",
        failures="gate stopped 1",
        actions="stop 1",
    ),
    # a 19-26 | b 39-46
    "suspended-workflow": Expect(
        "Succeeded 1/30", "w Succeeded 2/14", gaps="1/13", actions="suspend 1; resume 1"
    ),
    # created 22, 22, 23; started 22, 32, 43
    "mutex": Expect("Succeeded 3/30", "main Succeeded 3/25", locks="2/30", pending="3/30"),
    # nodes of 6, 15 and 29 s; two got the lock 10.1 and 21.1 s after the first event, which came
    # up to a second after their start
    "mutex-template": Expect("Succeeded 1/32", "w Succeeded 3/50", locks="2/32.2"),
    # created 28, 29, 29, 29; started 28, 29, 49, 50
    "semaphore": Expect("Succeeded 4/80", "main Succeeded 4/42", locks="2/41", pending="4/41"),
    "on-exit": Expect(
        "Failed 1/20",
        "main Failed 1/2; notify Succeeded 1/3",
        causes="exit_code 1",
        failures="main exit_code 1",
    ),
    "on-exit-fails": Expect(
        "Failed 1/20",
        "main Succeeded 1/4; notify Failed 1/6",
        causes="exit_code 1",
        failures="notify exit_code 1",
    ),
    "hooks": Expect("Succeeded 1/30", "w Succeeded 1/10; h Succeeded 2/11"),
    "ttl": Expect("Succeeded 1/10", "main Succeeded 1/6"),
    "ttl-failure": Expect(
        "Failed 1/10", "main Failed 1/4", causes="exit_code 1", failures="main exit_code 1"
    ),
    "pod-gc": Expect("Succeeded 1/10", "w Succeeded 2/14"),
    "pod-gc-delay": Expect("Succeeded 1/10", "main Succeeded 1/8"),
    # extract and a 53-58 | load and b from 03
    "template-ref": Expect(
        "Succeeded 2/40", "w Succeeded 3/14; notify Succeeded 1/4", gaps="2/10", pending="2/0"
    ),
    # first attempt: ok 55-58 | bad 05-08; the second one starts at 19 with bad 19-21, which waited
    # for nobody: ok had ended long before somebody asked for the retry
    "argo-retry": Expect(
        "Failed 2/26",
        "ok Succeeded 1/3; bad Failed 2/5",
        causes="exit_code 2",
        failures="bad exit_code 2",
        gaps="1/7",
        actions="retry 1",
    ),
    "argo-resubmit": Expect(
        "Failed 2/20",
        "main Failed 2/7",
        causes="exit_code 2",
        failures="main exit_code 2",
        pending="2/0",
        actions="resubmit 1",
    ),
    # created 15:01, started 15:02; the exit handler still ran
    "stop-running": Expect(
        "Failed 1/40",
        "w Failed 1/20; bye Succeeded 1/3",
        causes="stopped 1",
        failures="w stopped 1",
        pending="1/1",
        actions="stop 1",
    ),
    # the nodes went from Failed to Succeeded when main had trapped the signal
    "terminate-running": Expect("Succeeded 1/30", "w Succeeded 2/42", actions="terminate 1"),
    "delete-running": Expect(unobserved="deleted_running 1"),
    "pod-deleted": Expect(
        "Error 1/20", "main Error 1/20", causes="error 1", failures="main error 1"
    ),
    "memoize": Expect("Succeeded 2/1", pending="2/0"),  # both hit: nothing ran
    # make 16-20 | use 26-29
    "artifacts": Expect("Succeeded 1/20", "make Succeeded 1/4; use Succeeded 1/3", gaps="1/6"),
    "artifact-missing": Expect(
        "Error 1/10", "main Error 1/4", causes="output 1", failures="main output 1"
    ),
    "artifact-input-missing": Expect(
        "Error 1/10", "main Error 1/1", causes="input 1", failures="main input 1"
    ),
    "resource-template": Expect("Succeeded 1/10", "main Succeeded 1/9"),
    "http-template": Expect(
        "Failed 1/238", "main:HTTP Failed 1/238", causes="deadline 1", failures="main deadline 1"
    ),
    # the server was ready at 41, when the client began
    "daemon": Expect("Succeeded 1/20", "server Succeeded 1/10; client Succeeded 1/6", gaps="1/0"),
    "sidecar": Expect("Succeeded 1/10", "main Succeeded 1/5"),  # though its pod Failed with 143
    "init-containers": Expect("Succeeded 1/10", "main Succeeded 1/10"),
    "container-set": Expect("Succeeded 1/10", "main Succeeded 1/8; main:Container Succeeded 3/30"),
    # a 43-46 | cleanup 53-56
    "dag-depends": Expect(
        "Failed 1/20",
        "bad Failed 1/3; ok Succeeded 1/3",
        causes="exit_code 1",
        failures="bad exit_code 1",
        gaps="1/7",
    ),
    "dag-no-failfast": Expect(
        "Failed 1/10",
        "bad Failed 1/4; slow Succeeded 1/9",
        causes="exit_code 1",
        failures="bad exit_code 1",
    ),
    # a 49-52 | b 59-15
    "continue-on": Expect(
        "Succeeded 1/31",
        "bad Failed 1/3; ok Succeeded 1/16",
        failures="bad exit_code 1",
        gaps="1/7",
    ),
    "when-skipped": Expect("Succeeded 1/10", "ok Succeeded 1/2"),
    # one pod beside 1,500 skipped nodes, which nothing in the DAG makes it wait for
    "compressed": Expect("Succeeded 1/11", "ok Succeeded 1/3"),
    "big-fanout": Expect("Succeeded 1/61", f"w Succeeded 60/{BIG_FANOUT}"),
    "invalid-spec": Expect("Failed 1/0", causes="invalid_spec 1"),
    "invalid-param": Expect("Failed 1/0", causes="invalid_spec 1"),
    "no-command": Expect(
        "Error 1/0", "main Error 1/0", causes="invalid_spec 1", failures="main invalid_spec 1"
    ),
    "metrics-own": Expect("Succeeded 1/21", "main Succeeded 1/14"),
    # the node says "pod deleted"; that it was preempted is known from the pod only
    "preempted": Expect(
        "Succeeded 2/100",
        "main Error 1/20; main Succeeded 2/62",
        failures="main error 1",
        retries="main 1",
        pending="2/0",
    ),
    # the node has no finishedAt: without the pod it ends with the workflow
    "evicted": Expect(
        "Failed 1/65", "main Failed 1/65", causes="evicted 1", failures="main evicted 1"
    ),
    # created 19, 20, 20, 20, 21, 21; started 19, 20, 17:00 twice, 17:10 twice
    "parallelism-queue": Expect("Succeeded 6/81", "main Succeeded 6/62", pending="6/178"),
    "priority": Expect("Succeeded 2/40", "main Succeeded 2/34", pending="2/36"),
    "long-names": Expect("Failed 1/0", causes="invalid_spec 1"),
    # a 28-36 | b 38-49
    "outputs": Expect("Succeeded 1/30", "gen Succeeded 1/8; w Succeeded 1/11", gaps="1/2"),
    # runs of crons; forbid-long and replace-long have one that still runs at the end
    "minutely": Expect("Succeeded 5/80", "main Succeeded 5/50", pending="5/0"),
    "minutely-fails": Expect(
        "Failed 5/60",
        "main Failed 5/37",
        causes="exit_code 5",
        failures="main exit_code 5",
        pending="5/0",
    ),
    "forbid-long": Expect("Succeeded 2/319", "main Succeeded 2/221", pending="3/0"),
    "replace-long": Expect(
        "Failed 3/240; Succeeded 1/146",
        "main Failed 3/216; main Succeeded 1/103",
        causes="replaced 3",
        failures="main replaced 3",
        pending="5/0",
    ),
    "tz": Expect("Succeeded 3/60", "main Succeeded 3/37", pending="3/0"),
    "deadline": Expect("Succeeded 6/91", "main Succeeded 6/58", pending="6/0"),
    "stops-after-two": Expect("Succeeded 2/20", "main Succeeded 2/16", pending="2/0"),
}


def test_every_recorded_scenario_is_in_the_table() -> None:
    assert set(scenarios("argo-4.1")) == set(EXPECTED)


@pytest.mark.parametrize("scenario", EXPECTED)
def test_scenario_gives_what_its_summary_says(scenario: str) -> None:
    found, expected = replay("argo-4.1", scenario).totals(), EXPECTED[scenario].totals()
    # Argo writes no time when a node gets a lock, so that wait ends with the event that shows it.
    assert found.locks == pytest.approx(expected.locks, abs=1.1)
    expected.locks = found.locks
    assert found == expected
