"""Settings: which source wins, and what is said about what is wrong."""

from pathlib import Path

import pytest
import yaml

from argoscope import reference
from argoscope.resources._load import load as kinds
from argoscope.settings import FLAGS, Settings, SettingsError, documentation, leaves, load, value


def write(folder: Path, text: str) -> str:
    path = folder / "argoscope.yaml"
    path.write_text(text)
    return str(path)


def problems(**sources: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(**sources)  # type: ignore[arg-type]
    return [str(problem) for problem in caught.value.problems]


def test_without_any_source_everything_has_its_default() -> None:
    settings = load()
    assert settings == Settings()
    assert settings.listen == "127.0.0.1:9464"


def test_a_flag_wins_over_the_environment_which_wins_over_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "listen: a:1\nselector: from=file\ncluster: file\nlog: {level: error}")
    env = {"ARGOSCOPE_LISTEN": "b:2", "ARGOSCOPE_SELECTOR": "from=env"}
    settings = load(file, env, {"listen": "c:3"})
    assert settings.listen == "c:3"
    assert settings.selector == "from=env"
    assert settings.cluster == "file"
    assert settings.log.level == "error"


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("namespaces", "ci, data", ("ci", "data")),
        ("log.format", "json", "json"),
        (
            "labels.pipeline",
            "app.kubernetes.io/part-of,team",
            ("app.kubernetes.io/part-of", "team"),
        ),
        ("resources.disabled", "nodes", ("nodes",)),
        ("series.budgets", "argo_pods=5,argo_cron_info=7", {"argo_pods": 5, "argo_cron_info": 7}),
    ],
)
def test_the_environment_has_every_type(path: str, text: str, expected: object) -> None:
    assert value(load(env={leaves()[path].env: text}), path) == expected


def test_an_empty_variable_and_an_empty_file_say_nothing(tmp_path: Path) -> None:
    file = write(tmp_path, "# only a comment\n")
    assert load(file, {"ARGOSCOPE_LISTEN": ""}) == Settings()
    assert load(write(tmp_path, "log:\nnamespaces:\n")) == Settings()


def test_all_problems_of_all_sources_are_told_at_once_with_key_and_source(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
        listn: 127.0.0.1:1
        namespaces: [Team_A, ci]
        log: {level: loud, colour: red}
        labels: nothing
        cluster: 7
        series: {budgets: {argo_podz: 5, argo_pods: 0}}
        """,
    )
    env = {"ARGOSCOPE_LOG_FORMT": "json", "ARGOSCOPE_RESOURCES_DISABLED": "pod"}
    found = problems(file=file, env=env, flags={"selector": "a in (b", "listen": "9464"})
    assert found == [
        f"listn: unknown setting; did you mean listen? ({file})",
        f"log.colour: unknown setting ({file})",
        f"labels: must be a mapping of settings ({file})",
        "ARGOSCOPE_LOG_FORMT: unknown setting; did you mean ARGOSCOPE_LOG_FORMAT? (environment)",
        f"namespaces: 'Team_A': not the name of a namespace (a-z, 0-9 and - inside) ({file})",
        f"log.level: 'loud' is not one of debug, info, warning, error ({file})",
        f"cluster: Expected `str`, got `int` ({file})",
        (
            "series.budgets: no metric argo_podz; did you mean argo_pods?;"
            f" argo_pods must be at least 1 ({file})"
        ),
        (
            "resources.disabled: unknown kind 'pod'; did you mean pods?; there are "
            f"{', '.join(kind.name for kind in kinds())} (ARGOSCOPE_RESOURCES_DISABLED)"
        ),
        (
            "selector: not a label selector from 'in (b' on; as in"
            " team=data,stage in (dev,test),!old (--selector)"
        ),
        "listen: '9464' is not host:port, such as 127.0.0.1:9464 or [::]:9464 (--listen)",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- a\n- b\n", "config: must be a mapping of settings"),
        ("listen: [", "config: not YAML"),
        ("namespaces: {a: b}", "namespaces: Expected `array`, got `object`"),
        ("namespaces: [1]", "namespaces: Expected `str`, got `int` - at `[0]`"),
        ("series: {budgets: {argo_pods: many}}", "series.budgets: Expected `int`, got `str`"),
        ("1: 2", "1: unknown setting"),
    ],
)
def test_a_file_of_a_wrong_shape_is_a_problem_and_no_crash(
    tmp_path: Path, text: str, complaint: str
) -> None:
    (found,) = problems(file=write(tmp_path, text))
    assert found.startswith(complaint)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere.yaml")
    assert problems(file=missing) == [f"config: No such file or directory ({missing})"]
    assert problems(file=str(tmp_path)) == [f"config: Is a directory ({tmp_path})"]


@pytest.mark.parametrize(
    "name",
    [
        "ARGOSCOPE_SERVICE_HOST",
        "ARGOSCOPE_SERVICE_PORT_HTTP_METRICS",
        "ARGOSCOPE_PORT",
        "ARGOSCOPE_PORT_9464_TCP_ADDR",
        "ARGOSCOPE_METRICS_SERVICE_HOST",
        "ARGOSCOPE_METRICS_PORT_9464_TCP",
    ],
)
def test_what_kubernetes_sets_for_a_service_of_that_name_is_no_setting(name: str) -> None:
    assert load(env={name: "tcp://10.0.0.1:9464"}) == Settings()


@pytest.mark.parametrize(
    "address", ["127.0.0.1:9464", "[::]:9464", ":9464", "localhost:0", "a.example.org:65535"]
)
def test_addresses_that_can_be_listened_on(address: str) -> None:
    assert load(flags={"listen": address}).listen == address


@pytest.mark.parametrize("address", ["", "9464", "a:b", "::1:9464", "[::g]:1", "a:65536", "a b:1"])
def test_addresses_that_can_not(address: str) -> None:
    (found,) = problems(flags={"listen": address})
    assert found.startswith("listen: ")


@pytest.mark.parametrize(
    "selector",
    [
        "",
        "team",
        "!team",
        "team=data",
        "team==data,env!=dev",
        "env in (dev, test), tier notin (x)",
        "example.org/team=",
        "a.b/c-d_e=f.g",
    ],
)
def test_selectors_that_kubernetes_knows(selector: str) -> None:
    assert load(flags={"selector": selector}).selector == selector


@pytest.mark.parametrize(
    "selector", ["=", "a=b,", "a in b", "a in (b", "a=b c", "-a", "a>b,", "a/b/c", ",", "a=ü"]
)
def test_selectors_that_it_does_not(selector: str) -> None:
    (found,) = problems(flags={"selector": selector})
    assert found.startswith("selector: not a label selector")


def test_every_setting_has_a_docstring_and_flags_name_settings() -> None:
    for path in leaves():
        assert documentation(path), path
        assert documentation(path).endswith(".")
    assert set(FLAGS) <= set(leaves())


def test_the_printed_file_is_the_default_configuration(tmp_path: Path) -> None:
    text = reference.settings_yaml()
    assert load(write(tmp_path, text)) == Settings()
    read = yaml.safe_load(text)
    assert set(read) == {path.partition(".")[0] for path in leaves()}
