"""How does a trained model leave Python? As an ONNX file, of a look or of an action."""
