"""Every scenario of the recording argo-4.1-loaded: the same Argo on a node with a load of 90.

It has no summary: the seconds are those between the times in the last state of each attempt.
"""

import pytest

from support.workflow_scenarios import Expect, replay, scenarios

BIG_FANOUT = sum(
    (
        *(131, 121, 118, 129, 121, 120, 122, 120, 116, 128, 123, 129, 57, 43, 75, 52, 84, 142),
        *(105, 95, 64, 60, 129, 54, 84, 56, 57, 58, 66, 52, 57, 112, 132, 127, 89, 93, 110, 97),
        *(122, 63, 63, 53, 40, 71, 96, 81, 52, 88, 125, 108, 124, 78, 80, 78, 95, 129, 130),
        *(126, 121, 116),
    )
)

EXPECTED = {
    # a 14-19 | b 24-29, c 24-28 | d 34-37
    "steps-seq": Expect("Succeeded 1/30", "w Succeeded 4/17", gaps="3/15"),
    # a 17-20 | b 27-31, c 27-35 | d 37-41
    "dag-diamond": Expect("Succeeded 1/30", "w Succeeded 3/11; slow Succeeded 1/8", gaps="3/16"),
    "fanout": Expect("Succeeded 1/30", "w Succeeded 12/59"),
    # p and q 23-26 | y 33-36 | end 43-47
    "nested": Expect("Succeeded 1/30", "w Succeeded 4/13", gaps="2/14"),
    # gen 26-28 | three from 36
    "with-param": Expect("Succeeded 1/20", "gen Succeeded 1/2; w Succeeded 3/11", gaps="3/24"),
    "retry-ok": Expect(
        "Succeeded 1/30",
        "main Failed 2/6; main Succeeded 1/2",
        failures="main exit_code 2",
        retries="main 2",
    ),
    "retry-exhausted": Expect(
        "Failed 1/30",
        "w Failed 3/12",
        causes="exit_code 1",
        failures="w exit_code 3",
        retries="w 2",
    ),
    "retry-expression": Expect(
        "Failed 1/10", "main Failed 1/3", causes="exit_code 1", failures="main exit_code 1"
    ),
    "oom": Expect("Failed 1/20", "main Failed 1/10", causes="oom 1", failures="main oom 1"),
    "oom-main": Expect(
        "Failed 1/40", "main Failed 2/20", causes="oom 1", failures="main oom 2", retries="main 1"
    ),
    # ok 44-46 | bad 54-57
    "exit-code": Expect(
        "Failed 1/20",
        "ok Succeeded 1/2; bad Failed 1/3",
        causes="exit_code 1",
        failures="bad exit_code 1",
        gaps="1/8",
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
        "Failed 1/49",
        "main Failed 1/49",
        causes="terminated 1",
        failures="main terminated 1",
        actions="terminate 1",
    ),
    "image-invalid": Expect(
        "Failed 1/49", "main Failed 1/49", causes="deadline 1", failures="main deadline 1"
    ),
    "unschedulable-cpu": Expect(
        "Failed 1/50",
        "main Failed 1/50",
        causes="stopped 1",
        failures="main stopped 1",
        actions="stop 1",
    ),
    "unschedulable-selector": Expect(),
    "unbound-volume": Expect("Succeeded 1/10", "main Succeeded 1/2"),
    "missing-configmap": Expect(
        "Failed 1/35", "main Failed 1/35", causes="deadline 1", failures="main deadline 1"
    ),
    "missing-secret-volume": Expect("Succeeded 1/10", "main Succeeded 1/1"),
    "quota": Expect("Succeeded 1/40", "w Succeeded 5/74"),
    # build 20-23 | approve 30-42 | release 52-41:25
    "suspend-approve": Expect(
        "Succeeded 1/72",
        "w Succeeded 2/36; gate:Suspend Succeeded 1/12",
        gaps="2/17",
        actions="resume 1",
    ),
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
    # a 29-37 | b 49-41:09
    "suspended-workflow": Expect(
        "Succeeded 1/50", "w Succeeded 2/28", gaps="1/12", actions="suspend 1; resume 1"
    ),
    # all created 40:32; started 40:32, 40:53, 42:05
    "mutex": Expect("Succeeded 3/284", "main Succeeded 3/178", locks="2/114", pending="3/114"),
    # events 20.7 and 84.6 s after the start show who has the lock
    "mutex-template": Expect("Succeeded 1/199", "w Succeeded 3/260", locks="2/105.3"),
    # created 38, 38, 39, 39; started 38, 38, 59, 41:00
    "semaphore": Expect("Succeeded 4/146", "main Succeeded 4/107", locks="2/41", pending="4/41"),
    "on-exit": Expect(
        "Failed 1/42",
        "main Failed 1/8; notify Succeeded 1/23",
        causes="exit_code 1",
        failures="main exit_code 1",
    ),
    "on-exit-fails": Expect(
        "Failed 1/121",
        "main Succeeded 1/10; notify Failed 1/46",
        causes="exit_code 1",
        failures="notify exit_code 1",
    ),
    "hooks": Expect("Succeeded 1/290", "w Succeeded 1/18; h Succeeded 2/182"),
    "ttl": Expect("Succeeded 1/20", "main Succeeded 1/18"),
    "ttl-failure": Expect(
        "Failed 1/44", "main Failed 1/32", causes="exit_code 1", failures="main exit_code 1"
    ),
    "pod-gc": Expect("Succeeded 1/59", "w Succeeded 2/85"),
    "pod-gc-delay": Expect("Succeeded 1/43", "main Succeeded 1/40"),
    # extract 41:03-41:57, load 42:38-44:24 | a 41:04-41:53, b 42:02-43:46
    "template-ref": Expect(
        "Succeeded 2/443", "w Succeeded 3/209; notify Succeeded 1/104", gaps="2/50", pending="2/1"
    ),
    # `argo retry` was refused because the first attempt still ran
    "argo-retry": Expect(
        "Failed 1/181",
        "ok Succeeded 1/37; bad Failed 1/111",
        causes="exit_code 1",
        failures="bad exit_code 1",
        gaps="1/13",
    ),
    "argo-resubmit": Expect(
        "Failed 2/274",
        "main Failed 2/166",
        causes="exit_code 2",
        failures="main exit_code 2",
        pending="2/0",
        actions="resubmit 1",
    ),
    "stop-running": Expect(
        "Failed 1/153",
        "w Failed 1/20; bye Succeeded 1/86",
        causes="stopped 1",
        failures="w stopped 1",
        actions="stop 1",
    ),
    "terminate-running": Expect(
        "Failed 1/21",
        "w Failed 2/41",
        causes="terminated 1",
        failures="w terminated 2",
        actions="terminate 1",
    ),
    "delete-running": Expect(unobserved="deleted_running 1"),
    # deleted before it started, so the controller made it again: nothing in the status says so
    "pod-deleted": Expect("Succeeded 1/212", "main Succeeded 1/168"),
    # the first one missed and ran: it is a sample; created 23 and 26, started 24 and 28
    "memoize": Expect("Succeeded 2/60", "main Succeeded 1/49", pending="2/3"),
    "artifacts": Expect("Succeeded 1/226", "make Succeeded 1/46; use Succeeded 1/114", gaps="1/10"),
    "artifact-missing": Expect(
        "Error 1/84", "main Error 1/45", causes="output 1", failures="main output 1"
    ),
    "artifact-input-missing": Expect(
        "Error 1/47", "main Error 1/15", causes="input 1", failures="main input 1"
    ),
    "resource-template": Expect("Succeeded 1/270", "main Succeeded 1/183"),
    "http-template": Expect(
        "Failed 1/79", "main:HTTP Failed 1/79", causes="deadline 1", failures="main deadline 1"
    ),
    "daemon": Expect("Succeeded 1/243", "server Succeeded 1/97; client Succeeded 1/93", gaps="1/0"),
    "sidecar": Expect("Succeeded 1/120", "main Succeeded 1/79"),
    "init-containers": Expect("Succeeded 1/163", "main Succeeded 1/154"),
    "container-set": Expect(
        "Succeeded 1/231", "main Succeeded 1/135; main:Container Succeeded 3/516"
    ),
    # a 41:53-43:38 | cleanup 44:07-44:54
    "dag-depends": Expect(
        "Failed 1/270",
        "bad Failed 1/105; ok Succeeded 1/47",
        causes="exit_code 1",
        failures="bad exit_code 1",
        gaps="1/29",
    ),
    "dag-no-failfast": Expect(
        "Failed 1/128",
        "bad Failed 1/105; slow Succeeded 1/109",
        causes="exit_code 1",
        failures="bad exit_code 1",
    ),
    "continue-on": Expect(
        "Succeeded 1/263",
        "bad Failed 1/109; ok Succeeded 1/74",
        failures="bad exit_code 1",
        gaps="1/9",
    ),
    "when-skipped": Expect("Succeeded 1/125", "ok Succeeded 1/101"),
    "compressed": Expect("Succeeded 1/127", "ok Succeeded 1/97"),
    "big-fanout": Expect("Succeeded 1/475", f"w Succeeded 60/{BIG_FANOUT}"),
    # created 42:12 and 42:14, but the controller came at 42:15
    "invalid-spec": Expect("Failed 1/0", causes="invalid_spec 1", pending="1/3"),
    "invalid-param": Expect("Failed 1/0", causes="invalid_spec 1", pending="1/1"),
    "no-command": Expect(
        "Error 1/0", "main Error 1/0", causes="invalid_spec 1", failures="main invalid_spec 1"
    ),
    "metrics-own": Expect("Succeeded 1/155", "main Succeeded 1/113"),
    # both ran after all: the preempted pod had not started and was made again for the same node
    "preempted": Expect("Succeeded 2/357", "main Succeeded 2/308", pending="2/3"),
    "evicted": Expect(
        "Failed 1/160",
        "main Failed 1/160",
        causes="deadline 1",
        failures="main deadline 1",
        pending="1/1",
    ),
    # created 42:29 to 42:31; started 42:29, 42:30, 47:09, 47:12, 48:48, 49:32
    "parallelism-queue": Expect("Succeeded 6/721", "main Succeeded 6/449", pending="6/1359"),
    "priority": Expect("Succeeded 2/240", "main Succeeded 2/134", pending="2/314"),
    "long-names": Expect("Failed 1/0", causes="invalid_spec 1"),
    # a 42:39-44:22 | b 44:41-46:03
    "outputs": Expect("Succeeded 1/277", "gen Succeeded 1/103; w Succeeded 1/82", gaps="1/19"),
    "minutely": Expect("Succeeded 12/1241", "main Succeeded 12/757", pending="12/0"),
    "minutely-fails": Expect(
        "Failed 12/1048",
        "main Failed 12/597",
        causes="exit_code 12",
        failures="main exit_code 12",
        pending="12/0",
    ),
    "forbid-long": Expect("Succeeded 2/396", "main Succeeded 2/286", pending="3/0"),
    # the last two are still Running, one of them with a node that was already terminated
    "replace-long": Expect(
        "Failed 10/717",
        "main Failed 10/711",
        causes="replaced 10",
        failures="main replaced 10",
        pending="12/0",
    ),
    "tz": Expect("Succeeded 6/605", "main Succeeded 6/377", pending="6/0"),
    "deadline": Expect("Succeeded 12/1139", "main Succeeded 12/753", pending="12/0"),
    "stops-after-two": Expect("Succeeded 4/354", "main Succeeded 4/246", pending="4/0"),
}


def test_every_recorded_scenario_is_in_the_table() -> None:
    assert set(scenarios("argo-4.1-loaded")) == set(EXPECTED)


@pytest.mark.parametrize("scenario", EXPECTED)
def test_scenario_gives_what_its_states_say(scenario: str) -> None:
    found = replay("argo-4.1-loaded", scenario).totals()
    expected = EXPECTED[scenario].totals()
    # Argo writes no time when a node gets a lock, so that wait ends with the event that shows it.
    assert found.locks == pytest.approx(expected.locks, abs=1.1)
    expected.locks = found.locks
    assert found == expected
