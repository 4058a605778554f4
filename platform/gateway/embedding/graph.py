"""Builds the BERT graph of MiniLM from its weights, pooling included, and quantises it to int8 per channel.

(ids, mask) [texts, tokens] int64  →  vectors [texts, 384] float32 of unit length
"""

from __future__ import annotations

import logging
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

LAYERS = 6
HEADS = 12
WIDTH = 384
EPSILON = 1e-12
OPSET = 17  # The first with LayerNormalization.


def build(weights: Path, target: Path, *, quantise: bool = True) -> None:
    """Some seconds and 400 MB; writes 23 MB (90 MB unquantised)."""
    import onnx
    from safetensors.numpy import load_file

    model = _Builder(load_file(str(weights))).model()
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".graph-") as temporary:
        whole = Path(temporary) / "whole.onnx"
        onnx.save(model, str(whole))
        if not quantise:
            whole.replace(target)
            return
        from onnxruntime.quantization import QuantType, quantize_dynamic

        # It recommends a preprocessing that fuses nothing here.
        logging.getLogger().addFilter(_quiet)
        try:
            quantize_dynamic(whole, target, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
        finally:
            logging.getLogger().removeFilter(_quiet)


def _quiet(record: logging.LogRecord) -> bool:
    return "pre-processing" not in record.getMessage()


class _Builder:
    """Adds nodes one after the other; each method returns the name of its result."""

    def __init__(self, weights: dict[str, NDArray[numpy.float32]]) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def model(self) -> Any:
        from onnx import TensorProto, helper

        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"]) for name in ("ids", "mask")]
        output = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", WIDTH])
        self.body()
        graph = helper.make_graph(self.nodes, "minilm", inputs, [output], list(self.constants.values()))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)

    def body(self) -> None:
        import numpy

        mask = self.node("Cast", "mask", to=1)
        # 0 where a token is, a very negative number where padding is, for the softmax.
        absent = self.node("Sub", mask, self.constant("one", 1.0))
        bias = self.node("Mul", absent, self.constant("never", 1e9))
        bias = self.node("Unsqueeze", bias, self.constant("axes12", [1, 2]))
        hidden = self.embeddings()
        for layer in range(LAYERS):
            hidden = self.layer(hidden, bias, f"encoder.layer.{layer}")
        # The mean over tokens, then unit length.
        spread = self.node("Unsqueeze", mask, self.constant("axis2", [2]))
        total = self.node("ReduceSum", self.node("Mul", hidden, spread), self.constant("axis1", [1]), keepdims=0)
        count = self.node("ReduceSum", mask, self.constant("axis1", [1]), keepdims=1)
        mean = self.node("Div", total, count)
        norm = self.node("ReduceL2", mean, axes=[1], keepdims=1)
        self.node("Div", mean, self.node("Max", norm, self.constant("tiny", numpy.float32(1e-9))), out="vectors")

    def embeddings(self) -> str:
        words = self.node("Gather", self.weight("embeddings.word_embeddings.weight"), "ids")
        # Sentences are never pairs here, so the first type's row belongs to every position.
        positions = (
            self.weights["embeddings.position_embeddings.weight"] + self.weights["embeddings.token_type_embeddings.weight"][0]
        )
        length = self.node("Gather", self.node("Shape", "ids"), self.constant("second", 1))
        end = self.node("Unsqueeze", length, self.constant("axis0", [0]))
        places = self.node(
            "Slice", self.constant("positions", positions), self.constant("start", [0]), end, self.constant("axis0", [0])
        )
        return self.norm(self.node("Add", words, places), "embeddings.LayerNorm")

    def layer(self, hidden: str, bias: str, name: str) -> str:
        attended = self.attention(hidden, bias, f"{name}.attention.self")
        attended = self.dense(attended, f"{name}.attention.output.dense")
        hidden = self.norm(self.node("Add", attended, hidden), f"{name}.attention.output.LayerNorm")
        inner = self.gelu(self.dense(hidden, f"{name}.intermediate.dense"))
        return self.norm(self.node("Add", self.dense(inner, f"{name}.output.dense"), hidden), f"{name}.output.LayerNorm")

    def attention(self, hidden: str, bias: str, name: str) -> str:
        query = self.heads(self.dense(hidden, f"{name}.query"), [0, 2, 1, 3])
        key = self.heads(self.dense(hidden, f"{name}.key"), [0, 2, 3, 1])
        value = self.heads(self.dense(hidden, f"{name}.value"), [0, 2, 1, 3])
        scores = self.node("Mul", self.node("MatMul", query, key), self.constant("scale", 1 / math.sqrt(WIDTH / HEADS)))
        shares = self.node("Softmax", self.node("Add", scores, bias), axis=-1)
        mixed = self.node("Transpose", self.node("MatMul", shares, value), perm=[0, 2, 1, 3])
        return self.node("Reshape", mixed, self.constant("joined", [0, 0, WIDTH]))

    def heads(self, given: str, order: list[int]) -> str:
        split = self.node("Reshape", given, self.constant("split", [0, 0, HEADS, WIDTH // HEADS]))
        return self.node("Transpose", split, perm=order)

    def dense(self, given: str, name: str) -> str:
        product = self.node("MatMul", given, self.constant(f"{name}.weight.T", self.weights[f"{name}.weight"].T.copy()))
        return self.node("Add", product, self.weight(f"{name}.bias"))

    def gelu(self, given: str) -> str:
        error = self.node("Erf", self.node("Div", given, self.constant("root2", math.sqrt(2.0))))
        half = self.node("Mul", given, self.constant("half", 0.5))
        return self.node("Mul", half, self.node("Add", error, self.constant("one", 1.0)))

    def norm(self, given: str, name: str) -> str:
        return self.node(
            "LayerNormalization", given, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), axis=-1, epsilon=EPSILON
        )

    def weight(self, name: str) -> str:
        return self.constant(name, self.weights[name])

    def constant(self, name: str, value: Any) -> str:
        import numpy
        from onnx import numpy_helper

        if name not in self.constants:
            array = numpy.asarray(value)
            kind = numpy.float32 if array.dtype.kind == "f" else numpy.int64
            self.constants[name] = numpy_helper.from_array(array.astype(kind), name)
        return name

    def node(self, operation: str, *given: str, out: str = "", **attributes: Any) -> str:
        from onnx import helper

        result = out or f"{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(given), [result], **attributes))
        return result
