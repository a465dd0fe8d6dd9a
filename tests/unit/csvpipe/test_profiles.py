from __future__ import annotations

import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from contracts.errors import CsvPipeError
from csvpipe import local_stack
from csvpipe.errors import ProfileError
from csvpipe.profiles import Profile, config_file, load_profile, remove_profile, save_profile
from csvpipe.service import describe_key_origin
from csvpipe.settings import load_settings

URL = "https://csv.example.com"
KEY = "csvp_abcd1234_" + "k" * 43
OTHER_KEY = "csvp_wxyz6789_" + "o" * 43
STACK = {"csvpipe_url": "http://127.0.0.1:8000", "csvpipe_key": SecretStr(OTHER_KEY)}


@pytest.fixture(autouse=True)
def no_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local_stack, "client_values", dict)


@pytest.fixture
def running_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_stack, "client_values", lambda: STACK)
    monkeypatch.setattr("csvpipe.service.client_values", lambda: STACK)


def write(text: str, *, mode: int = 0o600) -> Path:
    path = config_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def key_for(**options: object) -> str | None:
    key = load_settings(**options).csvpipe_key
    return key.get_secret_value() if key else None


def test_stored_profile_is_for_the_owner_only_and_keeps_the_rest_of_the_file() -> None:
    path = write('# mine\n[profiles.other]\nurl = "http://other:1"  # keep\n[theme]\ncolour = "blue"\n')
    save_profile(Profile(name="default", url=URL, key=SecretStr(KEY)))
    save_profile(Profile(name="with.dot", url=URL))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_profile("default") == Profile(name="default", url=URL, key=SecretStr(KEY))
    assert load_profile("with.dot") == Profile(name="with.dot", url=URL)
    for kept in ("# mine\n", 'url = "http://other:1"  # keep\n', 'colour = "blue"\n'):
        assert kept in path.read_text()
    assert remove_profile("default")
    assert not remove_profile("default")
    assert KEY not in path.read_text()
    assert load_profile("other") is not None


def test_first_profile_makes_directory_and_file() -> None:
    assert not config_file().parent.exists()
    path = save_profile(Profile(name="default", url=URL, key=SecretStr(KEY)))
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path.parent, path)] == [0o700, 0o600]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622], ids=oct)
def test_key_that_others_may_read_is_refused_with_the_command_that_mends_it(mode: int) -> None:
    path = write(f'[profiles.default]\nurl = "{URL}"\nkey = "{KEY}"\n', mode=mode)
    with pytest.raises(ProfileError, match=f"chmod 600 {path}"):
        load_settings()
    path.chmod(0o600)
    assert key_for() == KEY


def test_file_without_a_key_may_be_readable(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    write(f'[profiles.default]\nurl = "{URL}"\nkey_file = "{tmp_path / "key"}"\n', mode=0o644)
    assert key_for() == KEY


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f'[profiles.default]\nurl = "{URL}"\nkey = {KEY}\n', "TOML"),
        (f'[profiles.default]\nkey = "{KEY}"\n', "url"),
        (f'[profiles.default]\nurl = "{URL}"\ntoken = "{KEY}"\n', "token"),
        (f'[profiles.default]\nurl = "{URL}"\nkey = ["{KEY}"]\n', "key must"),
        (f'[profiles.default]\nurl = "{URL}"\nkey = "{KEY}"\nkey_file = "x"\n', "key_file"),
        (f'[profiles.default]\nurl = "{URL}"\nkey_file = "nowhere"\n', "nowhere"),
        (f'profiles = "{KEY}"\n', "table"),
    ],
)
def test_wrong_file_names_its_fault_and_shows_no_key(text: str, named: str) -> None:
    path = write(text)
    with pytest.raises(ProfileError, match=named) as caught:
        load_settings()
    assert str(path) in str(caught.value)
    assert KEY not in str(caught.value)


def test_unknown_profile_lists_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    save_profile(Profile(name="prod", url=URL))
    monkeypatch.setenv("CSVPIPE_PROFILE", "pord")
    with pytest.raises(ProfileError, match=r"'pord'.*profiles: prod\."):
        load_settings()


def test_environment_overrides_a_profile_and_a_profile_the_local_stack(
    monkeypatch: pytest.MonkeyPatch, running_stack: None
) -> None:
    assert key_for() == OTHER_KEY
    save_profile(Profile(name="default", url=URL, key=SecretStr(KEY)))
    assert (load_settings().csvpipe_url, key_for()) == (URL, KEY)
    monkeypatch.setenv("CSVPIPE_KEY", "from-environment")
    assert (load_settings().csvpipe_url, key_for()) == (URL, "from-environment")


def test_profile_of_an_option_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    save_profile(Profile(name="prod", url=URL, key=SecretStr(KEY)))
    monkeypatch.setenv("CSVPIPE_KEY", "from-environment")
    monkeypatch.setenv("CSVPIPE_URL", "http://from-environment:1")
    settings = load_settings(csvpipe_profile="prod")
    assert (settings.csvpipe_url, key_for(csvpipe_profile="prod")) == (URL, KEY)


@pytest.mark.parametrize("url", ["https://elsewhere.example.com", "http://csv.example.com", f"{URL}:8443", f"{URL}/x"])
def test_key_of_a_profile_is_sent_to_no_other_address(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    save_profile(Profile(name="default", url=URL, key=SecretStr(KEY)))
    assert key_for(csvpipe_url=url) is None
    assert key_for(csvpipe_url=url, csvpipe_profile="default") is None
    monkeypatch.setenv("CSVPIPE_URL", url)
    assert key_for() is None


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example.com",
        "http://127.0.0.1.example.com:8000",  # begin like an address of this machine, and are names of others
        "http://127.example.com:8000",
        "http://localhost.example.com:8000",
        "http://localhost@example.com:8000",
        "http://[::1",
        "http://127.0.0.1:port",
    ],
)
def test_key_of_the_local_stack_is_sent_to_no_other_address(url: str, running_stack: None) -> None:
    assert key_for(csvpipe_url=url) is None


@pytest.mark.parametrize("url", ["http://localhost:8000/", "http://127.0.0.2:8000", "http://[::1]:8000"])
def test_key_of_the_local_stack_is_sent_to_this_machine(url: str, running_stack: None) -> None:
    assert key_for(csvpipe_url=url) == OTHER_KEY


def test_origin_of_the_key_is_known(monkeypatch: pytest.MonkeyPatch, running_stack: None) -> None:
    assert describe_key_origin(load_settings()) == "the local stack"
    save_profile(Profile(name="default", url=URL, key=SecretStr(KEY)))
    assert describe_key_origin(load_settings()) == f"profile 'default' in {config_file()}"
    monkeypatch.setenv("CSVPIPE_KEY", "from-environment")
    assert describe_key_origin(load_settings()) == "CSVPIPE_KEY or CSVPIPE_KEY_FILE"


def test_key_file_of_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    monkeypatch.setenv("CSVPIPE_KEY_FILE", str(tmp_path / "key"))
    assert key_for() == KEY
    monkeypatch.setenv("CSVPIPE_KEY", KEY)
    with pytest.raises(CsvPipeError, match="CSVPIPE_KEY_FILE"):
        load_settings()
