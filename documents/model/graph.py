"""all-MiniLM-L6-v2 as an ONNX graph, written with ``onnx`` alone. No AWS.

BERT with 6 layers, 12 heads and 384 dimensions (Devlin et al. 2018; the layout and the names of
the weights are those of Hugging Face's BertModel), then the mean over the tokens and unit length,
as sentence-transformers' modules.json of the model says.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

LAYERS, HEADS, DIMENSION = 6, 12, 384
HEAD = DIMENSION // HEADS
EPSILON = 1e-12  # BERT's layer_norm_eps
FAR = -10_000.0  # added to the scores of padding
OPSET, IR_VERSION = 17, 8
Weights = dict[str, Any]


@dataclass
class Graph:
    """Nodes and weights, collected; every method returns the name of its result."""

    weights: Weights
    nodes: list[NodeProto] = field(default_factory=list)
    tensors: dict[str, TensorProto] = field(default_factory=dict)

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: Any) -> str:
        self.tensors[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.weights[name])

    def linear(self, x: str, name: str) -> str:
        turned = self.constant(f"{name}.weight", self.weights[f"{name}.weight"].T)
        return self.op("Add", self.op("MatMul", x, turned), self.weight(f"{name}.bias"))

    def norm(self, x: str, name: str) -> str:
        scale, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=EPSILON)

    def number(self, value: float) -> str:
        return self.constant(f"number_{value}", np.array(value, np.float32))

    def shape(self, *sizes: int) -> str:
        return self.constant("shape_" + "_".join(map(str, sizes)), np.array(sizes, np.int64))


def build(weights: Weights) -> ModelProto:
    """Return the model: ``input_ids`` and ``attention_mask`` (int64, texts by tokens) in,
    ``embedding`` (float32, texts by 384, of unit length) out.
    """
    graph = Graph(weights)
    mask = graph.op("Cast", "attention_mask", to=TensorProto.FLOAT)
    x = _embedded(graph)
    bias = _padding(graph, mask)
    for layer in range(LAYERS):
        x = _layer(graph, x, bias, f"encoder.layer.{layer}")
    graph.nodes.append(helper.make_node("Identity", [_pooled(graph, x, mask)], ["embedding"]))
    whole = helper.make_graph(
        graph.nodes,
        "all-MiniLM-L6-v2",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", DIMENSION])],
        list(graph.tensors.values()),
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(whole, opset_imports=opsets, ir_version=IR_VERSION)


def _embedded(graph: Graph) -> str:
    words = graph.op("Gather", graph.weight("embeddings.word_embeddings.weight"), "input_ids")
    length = graph.op("Gather", graph.op("Shape", "input_ids"), graph.shape(1))
    positions = graph.op(
        "Slice",
        graph.weight("embeddings.position_embeddings.weight"),
        graph.shape(0),
        length,
        graph.shape(0),
    )
    kind = graph.constant("kind", graph.weights["embeddings.token_type_embeddings.weight"][0])
    x = graph.op("Add", graph.op("Add", words, positions), kind)
    return graph.norm(x, "embeddings.LayerNorm")


def _padding(graph: Graph, mask: str) -> str:
    """Return what is added to the scores: nothing for a token, much below zero for padding."""
    absent = graph.op("Sub", graph.number(1.0), mask)
    wide = graph.op("Unsqueeze", absent, graph.shape(1, 2))
    return graph.op("Mul", wide, graph.number(FAR))


def _layer(graph: Graph, x: str, bias: str, name: str) -> str:
    parts = []
    for part, order in (("query", (0, 2, 1, 3)), ("key", (0, 2, 3, 1)), ("value", (0, 2, 1, 3))):
        flat = graph.linear(x, f"{name}.attention.self.{part}")
        heads = graph.op("Reshape", flat, graph.shape(0, 0, HEADS, HEAD))
        parts.append(graph.op("Transpose", heads, perm=order))
    query, key, value = parts
    scores = graph.op("Mul", graph.op("MatMul", query, key), graph.number(HEAD**-0.5))
    shares = graph.op("Softmax", graph.op("Add", scores, bias), axis=-1)
    seen = graph.op("Transpose", graph.op("MatMul", shares, value), perm=(0, 2, 1, 3))
    flat = graph.op("Reshape", seen, graph.shape(0, 0, DIMENSION))
    attended = graph.linear(flat, f"{name}.attention.output.dense")
    x = graph.norm(graph.op("Add", attended, x), f"{name}.attention.output.LayerNorm")
    inner = _gelu(graph, graph.linear(x, f"{name}.intermediate.dense"))
    outer = graph.linear(inner, f"{name}.output.dense")
    return graph.norm(graph.op("Add", outer, x), f"{name}.output.LayerNorm")


def _gelu(graph: Graph, x: str) -> str:
    """x/2 (1 + erf(x/√2)): Hendrycks and Gimpel 2016."""
    share = graph.op("Erf", graph.op("Mul", x, graph.number(0.5**0.5)))
    half = graph.op("Mul", x, graph.number(0.5))
    return graph.op("Mul", half, graph.op("Add", share, graph.number(1.0)))


def _pooled(graph: Graph, x: str, mask: str) -> str:
    wide = graph.op("Unsqueeze", mask, graph.shape(2))
    total = graph.op("ReduceSum", graph.op("Mul", x, wide), graph.shape(1), keepdims=0)
    count = graph.op("ReduceSum", mask, graph.shape(1), keepdims=1)
    mean = graph.op("Div", total, count)
    return graph.op("LpNormalization", mean, axis=-1, p=2)
