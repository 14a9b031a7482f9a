"""What the command of a service says when it can't do what it is told."""

import pytest
from pydantic import Field

from heardback.command import main
from heardback.settings import ServiceSettings


class Settings(ServiceSettings):
    link_keys: str = Field(min_length=8)
    providers: tuple[str, ...] = ()


def says(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("sys.argv", ["-m", *arguments])
    with pytest.raises(SystemExit) as ended:
        main("toy", Settings)
    return str(ended.value.code)


def test_variables_are_named_and_not_shown_when_settings_are_wrong(monkeypatch):
    monkeypatch.setenv("HEARDBACK_HTTP_PORT", "many")
    monkeypatch.setenv("HEARDBACK_LINK_KEYS", "hunter2")
    said = says([], monkeypatch)
    for name in ("HEARDBACK_DATABASE_URL", "HEARDBACK_HTTP_PORT", "HEARDBACK_LINK_KEYS"):
        assert f"{name}: " in said
    assert "hunter2" not in said


def test_setting_is_named_and_not_shown_when_it_is_not_the_json_it_should_be(monkeypatch):
    monkeypatch.setenv("HEARDBACK_PROVIDERS", '["hunter2"')
    said = says([], monkeypatch)
    assert '"providers"' in said
    assert "it is not JSON" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("arguments", [["migrat"], ["migrate", "now"], ["--help"]])
def test_command_says_what_there_is_when_told_something_else(arguments, monkeypatch):
    said = says(arguments, monkeypatch)
    assert said == "python -m toy_service runs it, python -m toy_service migrate makes its tables."
