"""Walks what a service answers against the model that botocore has of it.

botocore passes over what it does not know and leaves out what is missing, so a test by its results alone would not see
a member of the wrong name or type. This looks at the document itself, before botocore does.
"""

import json
import re

TYPES = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "double": (int, float),
    "float": (int, float),
    "timestamp": (int, float),
    "blob": str,
}


def check(client):
    """Has every answer to `client` walked, and gives the operations that were."""
    seen = set()

    def before_parse(response_dict, operation_model, **_):
        seen.add(operation_model.name)
        shape = operation_model.output_shape
        body = response_dict["body"]
        if response_dict["status_code"] >= 300:
            walk_error(json.loads(body), operation_model)
        elif shape is None:
            assert body in (b"", b"{}"), f"{operation_model.name} answers nothing, not {body}"
        elif not operation_model.has_event_stream_output:
            walk(json.loads(body), shape, operation_model.name)

    client.meta.events.register("before-parse.*.*", before_parse)
    return seen


def walk_error(error, operation_model):
    assert set(error) == {"__type", "message"}, error
    assert isinstance(error["message"], str) and error["message"], error
    # Those that every operation may answer are in no model.
    common = {"ValidationException", "SerializationException", "UnknownOperationException", "InternalFailure"}
    modelled = {shape.name for shape in operation_model.error_shapes}
    assert error["__type"] in modelled | common, f"{operation_model.name}: {error}"


def walk(value, shape, path):
    kind = shape.type_name
    if kind == "structure":
        assert isinstance(value, dict), f"{path}: {value!r} is no structure"
        unknown = set(value) - set(shape.members)
        assert not unknown, f"{path}: {unknown} are not in the model"
        missing = set(shape.required_members) - set(value)
        assert not missing, f"{path}: {missing} are missing"
        for name, member in value.items():
            walk(member, shape.members[name], f"{path}.{name}")
    elif kind == "list":
        assert isinstance(value, list), f"{path}: {value!r} is no list"
        for index, element in enumerate(value):
            walk(element, shape.member, f"{path}[{index}]")
    elif kind == "map":
        assert isinstance(value, dict), f"{path}: {value!r} is no map"
        for key, element in value.items():
            walk(element, shape.value, f"{path}[{key}]")
    else:
        assert isinstance(value, TYPES[kind]), f"{path}: {value!r} is no {kind}"
        assert kind == "boolean" or not isinstance(value, bool), f"{path}: {value!r} is no {kind}"
        bounds(value, shape, path)


def bounds(value, shape, path):
    size = len(value) if isinstance(value, str) else value
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    assert least is None or size >= least, f"{path}: {value!r} is less than {least}"
    assert most is None or size <= most, f"{path}: {value!r} is more than {most}"
    if isinstance(value, str):
        assert not shape.enum or value in shape.enum, f"{path}: {value!r} is none of {shape.enum}"
        pattern = shape.metadata.get("pattern")
        # Python knows no classes of Unicode.
        assert not pattern or "\\p" in pattern or re.fullmatch(pattern, value), f"{path}: {value!r} is not of {pattern}"
