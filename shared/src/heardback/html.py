"""Our own templates of pages: one way to load them, compiled once a process."""

from typing import Final

from jinja2 import BytecodeCache, ChoiceLoader, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket


class _Compiled(BytecodeCache):
    """What templates were compiled to, for every environment that has the same ones."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        code = self._codes.get((bucket.key, bucket.checksum))
        if code is not None:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


_COMPILED: Final = _Compiled()


def environment(*loaders: PackageLoader) -> Environment:
    """Return an environment for HTML whose templates are those of the first loader that has them.

    They are compiled here, so that no request waits for it.
    """
    made = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        bytecode_cache=_COMPILED,
    )
    for name in made.list_templates(extensions=["html"]):
        made.get_template(name)
    return made
