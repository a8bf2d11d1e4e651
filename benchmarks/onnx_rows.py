"""Rows of exported models: how long does a look take without PyTorch?"""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.timing import Settings, rates

LOOKS = 100  # between two views of the clock


def onnx_look(settings: Settings) -> list[float]:
    """Measure milliseconds of one look of the model of `cluttered`, of one scene, in onnxruntime.

    Raises:
        RuntimeError: If the extra `onnx` is missing.
    """
    from agents import RAM

    try:
        import onnxruntime
    except ImportError as error:
        raise RuntimeError('onnxruntime is missing: run `pip install "ram-env[onnx]"`.') from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.cores
    model = RAM.from_pretrained("cluttered", device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "look.onnx")
        model.export_onnx(path)
        session = onnxruntime.InferenceSession(path, options)
    rng = np.random.default_rng(0)
    inputs = {
        it.name: rng.uniform(0, 1, (1, *it.shape[1:])).astype(np.float32)
        for it in session.get_inputs()
    }

    def look() -> int:
        for _ in range(LOOKS):
            session.run(None, inputs)
        return LOOKS

    return [1e3 / rate for rate in rates(look, settings)]
