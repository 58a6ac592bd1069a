"""Holds every answer of thawd against botocore's model of Lambda: its status, its members, and their types."""

import json

import botocore.session

MODEL = botocore.session.get_session().get_service_model("lambda")

# Members that AWS sends with an error, and that its models leave out of some exceptions.
OF_ERRORS = {"Type", "message", "Message", "Reason"}

# What AWS answers to every update, though its model does not list it.
AS_AWS_HAS_IT = ("LastUpdateStatusReasonCode", "Creating")


class Watch:
    """Looks at every response before the client does. `seen` counts what each operation answered."""

    def __init__(self, client):
        self.seen = {}
        client.meta.events.register("before-parse.lambda.*", self._look)

    def _look(self, operation_model, response_dict, **_):
        name, status = operation_model.name, response_dict["status_code"]
        headers, body = response_dict["headers"], response_dict["body"]
        assert headers.get("x-amzn-requestid"), f"{name}: no request id"
        if status >= 300:
            error = json.loads(body)
            kind = headers.get("x-amzn-errortype")
            assert kind, f"{name}: an error without its type: {body}"
            assert set(error) <= OF_ERRORS, f"{name}: {error}"
            shape = next((shape for shape in operation_model.error_shapes if shape.name == kind), None)
            if shape is not None:
                wanted = shape.metadata.get("error", {}).get("httpStatusCode")
                assert status == wanted, f"{name}: {kind} with {status} rather than {wanted}"
                assert set(error) <= set(shape.members) | {"Type"}, f"{name}: {kind} has {set(error)}"
            return
        self.seen[name] = self.seen.get(name, 0) + 1
        output = operation_model.output_shape
        if operation_model.has_event_stream_output:
            return
        wanted = {operation_model.http.get("responseCode", 200)}
        # What the model can't say: these depend on the request.
        wanted |= {"Invoke": {200, 202, 204}, "DeleteFunction": {204}}.get(name, set())
        assert status in wanted, f"{name}: {status}, not one of {wanted}"
        if output is None or output.serialization.get("payload"):
            return
        in_body = {
            key: shape for key, shape in output.members.items() if "location" not in shape.serialization
        }
        if not body:
            assert not in_body, f"{name}: no body"
            return
        check(json.loads(body), in_body, name)


def check(value, members, where):
    """Every member is known, and of its type."""
    assert isinstance(value, dict), f"{where}: {value!r} is no structure"
    for key, inner in value.items():
        assert key in members, f"{where}: the model has no member {key}"
        check_shape(inner, members[key], f"{where}.{key}")


def check_shape(value, shape, where):
    kind = shape.type_name
    if kind == "structure":
        check(value, shape.members, where)
        for required in shape.required_members:
            assert required in value, f"{where}: {required} is missing"
    elif kind == "list":
        assert isinstance(value, list), f"{where}: {value!r} is no list"
        for inner in value:
            check_shape(inner, shape.member, f"{where}[]")
    elif kind == "map":
        assert isinstance(value, dict), f"{where}: {value!r} is no map"
        for inner in value.values():
            check_shape(inner, shape.value, f"{where}{{}}")
    elif kind in ("integer", "long"):
        assert isinstance(value, int) and not isinstance(value, bool), f"{where}: {value!r} is no {kind}"
    elif kind in ("double", "float", "timestamp"):
        assert isinstance(value, (int, float)) and not isinstance(value, bool), f"{where}: {value!r}"
    elif kind == "boolean":
        assert isinstance(value, bool), f"{where}: {value!r} is no boolean"
    else:
        assert isinstance(value, str), f"{where}: {value!r} is no text"
        if shape.enum and (shape.name, value) != AS_AWS_HAS_IT:
            assert value in shape.enum, f"{where}: {value!r} is not one of {shape.enum}"
