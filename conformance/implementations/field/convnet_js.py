"""ConvNetJS, a library in JavaScript."""

from __future__ import annotations

from typing import Final

from conformance.implementations.families import Family

FAMILY: Final = Family(
    name="convnetjs",
    summary="ConvNetJS on Node.js",
    loader="conformance.implementations.field.node_programs:load",
    arguments={"script": "convnet_js.cjs"},
    distributions=("npm:convnetjs",),
    modules=("node",),
    extra="field-convnetjs",
)
