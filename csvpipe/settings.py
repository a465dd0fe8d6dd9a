"""Settings of the command line: addresses of the uploader and the object store, and the keys to them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from aws.bucket_settings import BucketSettings
from contracts.names import BUCKET_RAW
from contracts.settings import reading_settings
from csvpipe.errors import ProfileError
from csvpipe.profiles import DEFAULT_PROFILE, Profile, config_file, load_profile, profile_names
from csvpipe.service_address import is_same_service

_FOR_ADDRESS = frozenset({"csvpipe_key", "csvpipe_ca_file"})
"""Settings that belong to one address of an uploader."""


class ClientSettings(BucketSettings):
    """Addresses of the services, and the keys to them.

    A value comes from the first of: an option, the environment, ``.env``, the profile, the local stack where one runs,
    the default. A profile named by an option takes the option's place.

    The key of a profile, or of the local stack, is used for its own address only: whoever changes the address has to
    name the key as well, so that no key reaches a service that it is not for.
    """

    model_config = SettingsConfigDict(env_file=".env")

    csvpipe_url: str = Field("http://127.0.0.1:8000", description="Address of the uploader.")
    csvpipe_key: SecretStr | None = Field(None, description="Key to the uploader.")
    csvpipe_ca_file: str | None = Field(
        None, description="PEM file of certificates to trust for the uploader instead of the public ones."
    )
    csvpipe_profile: str | None = Field(
        None, min_length=1, description="Profile with address and key of the uploader; `default` if there is one."
    )
    s3_bucket: str = Field(BUCKET_RAW, min_length=1, description="Bucket of the chunks.")
    s3_request_payer: Literal["", "requester"] = Field(
        "", description="requester: this account pays for reading another account's bucket."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Place profile and local stack behind the user's values, or a profile that an option names before them."""
        options, *variables = super().settings_customise_sources(
            settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings
        )
        profile = ProfileSource(settings_cls)
        is_option = isinstance(init_settings, InitSettingsSource) and "csvpipe_profile" in init_settings.init_kwargs
        ordered = (profile, *variables) if is_option else (*variables, profile)
        return options, *ordered, LocalStackSource(settings_cls)


class ProfileSource(PydanticBaseSettingsSource):
    """Address and key of the profile, from the user's configuration file."""

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002  the base class names it
        field_name: str,
    ) -> tuple[Any, str, bool]:
        """Not used: :meth:`__call__` gives all values at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values of the profile.

        Raises:
            ProfileError: the configuration file is not usable, or the profile that was asked for does not exist.
        """
        profile = find_profile(self.current_state.get("csvpipe_profile"))
        if profile is None:
            return {}
        values = {"csvpipe_url": profile.url, "csvpipe_key": profile.key, "csvpipe_ca_file": profile.ca_file}
        given = {name: value for name, value in values.items() if value is not None}
        return _for_address(given, self.current_state)


class LocalStackSource(PydanticBaseSettingsSource):
    """The addresses and credentials of the local stack, where one runs in this checkout."""

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002  the base class names it
        field_name: str,
    ) -> tuple[Any, str, bool]:
        """Not used: :meth:`__call__` gives all values at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the settings that the running stack implies; empty where none runs."""
        from csvpipe.local_stack import client_values

        return _for_address(client_values(), self.current_state)


def find_profile(name: str | None) -> Profile | None:
    """Return the profile ``name``; without a name, the profile ``default`` or None if there is none.

    Raises:
        ProfileError: the configuration file is not usable, or it has no profile ``name``.
    """
    profile = load_profile(name or DEFAULT_PROFILE)
    if profile is None and name is not None:
        raise ProfileError(
            f"no profile {name!r} in {config_file()}; profiles: {', '.join(profile_names()) or 'none'}. Store it with: "
            f"csvpipe login --profile {name}"
        )
    return profile


def _for_address(values: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """Return ``values`` of a service, without its key if another address was chosen before."""
    url = chosen.get("csvpipe_url")
    if url is None or is_same_service(str(url), str(values.get("csvpipe_url", ""))):
        return values
    return {name: value for name, value in values.items() if name not in _FOR_ADDRESS}


def load_settings(**overrides: object) -> ClientSettings:
    """Return the settings; an override that is not None wins over every other source.

    Raises:
        SettingsError: a value is not usable; the text names its variable.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    with reading_settings(ClientSettings, show_values=True):
        return ClientSettings(**given)  # type: ignore[arg-type]  # names and types are checked by pydantic
