"""Export of published weights to ONNX graphs with features of several levels as outputs."""
