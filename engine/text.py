"""Text that came from outside: characters that no file can hold, and YAML, numbers and lists as people type them.

It knows no setting by name.
"""

import types
import typing
from pathlib import Path
from typing import Any, get_args, get_origin, overload

import yaml

from engine.errors import SettingsError


@overload
def without_halves(value: str) -> str: ...
@overload
def without_halves(value: Any) -> Any: ...
def without_halves(value: Any) -> Any:
    """A JSON value with U+FFFD for every half of a character ("\\ud83d" alone), which no file or table can hold."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [without_halves(one) for one in value]
    if isinstance(value, dict):
        return {without_halves(name): without_halves(one) for name, one in value.items()}
    return value


class _PlainYaml(yaml.SafeLoader):
    """YAML in which a bare word is text: what `no`, `010` or `1.10` means is decided by the setting it is for."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"'{twice}' is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


_PlainYaml.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag.endswith((":null", ":merge"))]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a file, bare words as text; {} where it is empty. Raises `SettingsError`."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_PlainYaml)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot read settings: {error}. Name an existing YAML file.") from error
    except (yaml.YAMLError, RecursionError) as error:
        first = " ".join(str(error).split())
        raise SettingsError(f"{path}: not YAML: {first}. Correct the file.") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: expected settings by name, found {type(values).__name__}. Correct the file.")
    return values


def typed(key: str, hint: Any, text: str) -> Any:
    """What a text means for a setting of this type; None where it is empty. A number that is none stays text."""
    kinds = get_args(hint) if get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    kind = next(one for one in kinds if one is not type(None))
    if not text:
        return None
    if kind in (int, float):
        if type(None) in kinds and text.strip().lower() in _NO_NUMBER:
            return None
        return _number(text)
    return _list(key, text) if get_origin(kind) is tuple else text


_NO_NUMBER = ("null", "none", "~")


def _number(text: str) -> int | float | str:
    """Decimal, whatever zeros lead it; 0x10 or 1:30 are no numbers."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _list(key: str, text: str) -> Any:
    """ "[a, b]" as a list of texts, in YAML or JSON; anything else is one entry."""
    if not (text.lstrip().startswith("[") and text.rstrip().endswith("]")):
        return [text]
    try:
        return yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError):
        raise SettingsError(f'{key}={text}: not a list. Write [a, b]; put entries with , # or : in "…".') from None
