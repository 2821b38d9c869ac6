"""The reference engine (llama.cpp through llama-cpp-python's C bindings) as three functions, for the scripts here."""
import ctypes
import numpy as np
from llama_cpp import llama_cpp as lib
import llama_cpp

VERSION = "llama-cpp-python " + llama_cpp.__version__
_quiet = lib.llama_log_callback(lambda level, text, data: None)
lib.llama_log_set(_quiet, ctypes.c_void_p(0))
lib.llama_backend_init()


class Reference:
    def __init__(self, path, n_ctx=4096, kv="f16", flash=False, n_threads=1, n_batch=512, vocab_only=False):
        mp = lib.llama_model_default_params()
        mp.vocab_only = vocab_only
        mp.n_gpu_layers = 0
        self.model = lib.llama_model_load_from_file(str(path).encode(), mp)
        if not self.model:
            raise RuntimeError("cannot load " + str(path))
        self.vocab = lib.llama_model_get_vocab(self.model)
        self.n_vocab = lib.llama_vocab_n_tokens(self.vocab)
        self.ctx = None
        if vocab_only:
            return
        cp = lib.llama_context_default_params()
        cp.n_ctx, cp.n_batch, cp.n_ubatch, cp.n_threads, cp.n_threads_batch = n_ctx, n_batch, n_batch, n_threads, n_threads
        cp.flash_attn_type = 1 if flash else 0
        cp.type_k = cp.type_v = {"f32": 0, "f16": 1}[kv]
        self.n_batch = n_batch
        self.ctx = lib.llama_init_from_model(self.model, cp)

    def close(self):
        if self.ctx:
            lib.llama_free(self.ctx)
        lib.llama_model_free(self.model)

    def clear(self):
        lib.llama_memory_clear(lib.llama_get_memory(self.ctx), True)

    def eval(self, tokens, pos, every=False):
        """Logits [n][n_vocab] f32 of `tokens` starting at position `pos`; of the last one only unless `every`."""
        out = []
        for at in range(0, len(tokens), self.n_batch):
            part = tokens[at:at + self.n_batch]
            batch = lib.llama_batch_init(len(part), 0, 1)
            batch.n_tokens = len(part)
            for i, t in enumerate(part):
                batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0] = t, pos + at + i, 1, 0
                batch.logits[i] = every or at + i + 1 == len(tokens)
            if lib.llama_decode(self.ctx, batch) != 0:
                raise RuntimeError("decode failed")
            for i in range(len(part)):
                if every or at + i + 1 == len(tokens):
                    row = np.ctypeslib.as_array(lib.llama_get_logits_ith(self.ctx, i), (self.n_vocab,))
                    out.append(row.copy())
            lib.llama_batch_free(batch)
        return np.stack(out)

    def tokenize(self, data, bos=False, special=False):
        cap = len(data) + 16
        buf = (lib.llama_token * cap)()
        n = lib.llama_tokenize(self.vocab, data, len(data), buf, cap, bos, special)
        assert n >= 0
        return list(buf[:n])

    def piece(self, token, special=False):
        buf = ctypes.create_string_buffer(512)
        n = lib.llama_token_to_piece(self.vocab, token, buf, 512, 0, special)
        return buf.raw[:n]


def write_copy(path, out, kind="f32"):
    """The same model with its matrices in another type, f32 unless asked for: what the file says, without rounding on the way.

    Rounding to `kind` (f16 bf16 q8_0 q5_1 q5_0 q4_1 q4_0) is the gguf package's. Vectors, and matrices whose rows do not
    divide into the type's blocks, become f32.
    """
    import struct
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFReader, dequantize, quantize
    f32, wanted = GGMLQuantizationType.F32, GGMLQuantizationType[kind.upper()]
    r = GGUFReader(path)
    fields = [f for n, f in r.fields.items() if not n.startswith("GGUF.")]
    kv = b"".join(b"".join(p.tobytes() for p in f.parts) for f in fields)
    info, at, kinds = b"", 0, []
    for t in r.tensors:
        name = t.name.encode()
        dims = [int(d) for d in t.shape]
        kinds.append(wanted if len(dims) > 1 and dims[0] % GGML_QUANT_SIZES[wanted][0] == 0 else f32)
        block, size = GGML_QUANT_SIZES[kinds[-1]]
        info += struct.pack("<Q", len(name)) + name + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, int(kinds[-1]), at)
        at += -(-int(t.n_elements) // block * size // 32) * 32
    head = b"GGUF" + struct.pack("<IQQ", 3, len(r.tensors), len(fields)) + kv + info
    with open(out, "wb") as f:
        f.write(head + bytes(-len(head) % 32))
        for t, to in zip(r.tensors, kinds):
            data = np.ascontiguousarray(dequantize(t.data, t.tensor_type), np.float32)
            data = (data if to == f32 else quantize(data, to)).tobytes()
            f.write(data + bytes(-len(data) % 32))


def log_softmax(row):
    x = row.astype(np.float64)
    x -= x.max()
    return x - np.log(np.exp(x).sum())
