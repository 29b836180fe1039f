"""Tiny networks in TensorFlow Lite's format, with the shapes that tests ask for."""

import zipfile

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tfl


def linear_network(takes, outputs):
    """A network whose outputs are ``weight @ input.ravel() + bias``, each in its own shape.

    Args:
        takes: Shape of the float32 input.
        outputs: Per output (shape, weight (n, inputs), bias (n,)).

    Returns:
        The file's bytes.
    """
    net = _Builder()
    given = net.tensor(takes)
    flat = net.reshape(given, (1, int(np.prod(takes))))
    results = []
    for shape, weight, bias in outputs:
        row = net.tensor((1, len(bias)))
        options = tfl.FullyConnectedOptionsT()
        inputs = [flat, net.constant(np.float32(weight)), net.constant(np.float32(bias))]
        kind = tfl.BuiltinOperator.FULLY_CONNECTED
        net.add(kind, inputs, row, tfl.BuiltinOptions.FullyConnectedOptions, options)
        results.append(net.reshape(row, shape))
    return net.build([given], results)


def write_bundle(path, **networks):
    """A zip archive of networks, ``name=bytes``, each as ``name.tflite``."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as bundle:
        for name, content in networks.items():
            bundle.writestr(f"{name}.tflite", content)
    return path


class _Builder:
    def __init__(self):
        self._graph = tfl.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._model = tfl.ModelT()
        self._model.version = 3
        self._model.buffers = [tfl.BufferT()]  # the first is the empty one
        self._model.operatorCodes = []

    def tensor(self, shape, buffer=0, kind=tfl.TensorType.FLOAT32):
        tensor = tfl.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), kind, buffer
        tensor.name = f"t{len(self._graph.tensors)}"
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def constant(self, values):
        buffer = tfl.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        whole = values.dtype == np.int32
        kind = tfl.TensorType.INT32 if whole else tfl.TensorType.FLOAT32
        return self.tensor(values.shape, len(self._model.buffers) - 1, kind)

    def reshape(self, source, shape):
        options = tfl.ReshapeOptionsT()
        options.newShape = list(shape)
        result = self.tensor(shape)
        inputs = [source, self.constant(np.int32(shape))]
        kind = tfl.BuiltinOperator.RESHAPE
        self.add(kind, inputs, result, tfl.BuiltinOptions.ReshapeOptions, options)
        return result

    def add(self, kind, inputs, output, options_type, options):
        code = tfl.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, kind, 1
        self._model.operatorCodes.append(code)
        operator = tfl.OperatorT()
        operator.opcodeIndex = len(self._model.operatorCodes) - 1
        operator.inputs, operator.outputs = inputs, [output]
        operator.builtinOptionsType, operator.builtinOptions = options_type, options
        self._graph.operators.append(operator)

    def build(self, inputs, outputs):
        self._graph.inputs, self._graph.outputs = inputs, outputs
        self._model.subgraphs = [self._graph]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
