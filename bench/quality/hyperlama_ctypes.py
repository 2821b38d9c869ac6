"""hyperlama's C interface (include/hyperlama/engine.h) as far as the quality figures need it: logits of given tokens."""
import ctypes as c
import numpy as np

KV = {"f16": 0, "f32": 1, "bf16": 2, "q8_0": 3}


class Err(c.Structure):
    _fields_ = [("status", c.c_int), ("text", c.c_char * 512)]


class EngineParams(c.Structure):
    _fields_ = [("n_threads", c.c_int32), ("cpu", c.c_char_p), ("activation_bits", c.c_int32), ("on_event", c.c_void_p), ("event_user", c.c_void_p),
                ("event_level", c.c_int)]


class SessionParams(c.Structure):
    _fields_ = [("n_ctx", c.c_int32), ("n_batch", c.c_int32), ("n_rows_cap", c.c_int32), ("kv_type", c.c_int)]


class ModelInfo(c.Structure):
    _fields_ = [("arch", c.c_char_p), ("name", c.c_char_p), ("file_type", c.c_char_p), ("n_params", c.c_uint64),
                ("file_bytes", c.c_uint64), ("weight_bytes_per_token", c.c_uint64), ("counts", c.c_int32 * 10),
                ("macs_per_token", c.c_uint64), ("macs_of_logits", c.c_uint64), ("is_encoder", c.c_bool), ("is_for_embedding", c.c_bool)]
    N_VOCAB = 6  # its place in counts


def _load(path):
    lib = c.CDLL(path)
    for name in ("hl_session_logits_at",):
        getattr(lib, name).restype = c.POINTER(c.c_float)
    for name, args in (("hl_session_logits_at", [c.c_void_p, c.c_size_t]), ("hl_session_truncate", [c.c_void_p, c.c_int32]),
                       ("hl_session_eval_rows", [c.c_void_p, c.c_void_p, c.c_size_t, c.c_size_t, c.POINTER(Err)]),
                       ("hl_session_free", [c.c_void_p]), ("hl_model_close", [c.c_void_p]), ("hl_engine_free", [c.c_void_p]),
                       ("hl_model_get_info", [c.c_void_p, c.POINTER(ModelInfo)])):
        getattr(lib, name).argtypes = args
    lib.hl_version.restype = c.c_char_p
    return lib


class Hyperlama:
    """A model in a session of its own; eval() has the meaning of Reference.eval() in tests/golden/reference.py."""

    def __init__(self, library, path, n_ctx, n_rows, kv="f16", n_threads=0, cpu=None, bits=8):
        self.lib, self.err, self.n_rows = _load(library), Err(), n_rows
        self.engine, self.model, self.session = c.c_void_p(), c.c_void_p(), c.c_void_p()
        engine = EngineParams(n_threads=n_threads, cpu=cpu.encode() if cpu else None, activation_bits=bits)
        self._check(self.lib.hl_engine_new(c.byref(engine), c.byref(self.engine), c.byref(self.err)))
        paths = (c.c_char_p * 1)(str(path).encode())
        self._check(self.lib.hl_model_open(self.engine, paths, c.c_size_t(1), None, c.byref(self.model), c.byref(self.err)))
        params = SessionParams(n_ctx=n_ctx, n_batch=n_rows, n_rows_cap=n_rows, kv_type=KV[kv])
        self._check(self.lib.hl_session_new(self.model, c.byref(params), c.byref(self.session), c.byref(self.err)))
        info = ModelInfo()
        self.lib.hl_model_get_info(self.model, c.byref(info))
        self.n_vocab = info.counts[ModelInfo.N_VOCAB]
        self.version = "hyperlama " + self.lib.hl_version().decode()

    def _check(self, status):
        if status != 0:
            raise RuntimeError(self.err.text.decode(errors="replace"))

    def clear(self):
        self.lib.hl_session_truncate(self.session, 0)

    def eval(self, tokens):
        """Logits [n][n_vocab] f32 of `tokens`, at most n_rows of them, behind those already held."""
        ids = np.asarray(tokens, np.int32)
        self._check(self.lib.hl_session_eval_rows(self.session, ids.ctypes.data, ids.size, ids.size, c.byref(self.err)))
        rows = [np.ctypeslib.as_array(self.lib.hl_session_logits_at(self.session, i), (self.n_vocab,)) for i in range(ids.size)]
        return np.stack(rows)

    def close(self):
        self.lib.hl_session_free(self.session)
        self.lib.hl_model_close(self.model)
        self.lib.hl_engine_free(self.engine)
