"""Write a LoRA adapter for a model of tiny_model.py: behind the bytes and pieces of `links` comes another piece.

`links`: as those of tiny_model.make(). The model's own answer has the weight 1, this one `weight`, times alpha / rank.
"""
import struct

from tiny_model import F32, STRING, key, text

N_BYTES_AND_CONTROLS = 259


def make(path, n_words, links, weight=3.0, alpha=1.0, name="turned", arch="llama", tensor="output.weight"):
    n_vocab = N_BYTES_AND_CONTROLS + n_words
    n_embd, rank = (n_vocab + 63) // 64 * 64, len(links)
    a, b = bytearray(4 * rank * n_embd), bytearray(4 * n_vocab * rank)
    for k, (before, piece) in enumerate(links.items()):
        column = before[0] if isinstance(before, bytes) else N_BYTES_AND_CONTROLS + before
        row = N_BYTES_AND_CONTROLS - 1 if piece is None else N_BYTES_AND_CONTROLS + piece
        struct.pack_into("<f", a, 4 * (k * n_embd + column), 1.0)
        struct.pack_into("<f", b, 4 * (row * rank + k), weight * rank)
    keys = [key("general.type", STRING, "adapter"), key("adapter.type", STRING, "lora"), key("general.architecture", STRING, arch),
            key("general.name", STRING, name), key("adapter.lora.alpha", F32, alpha)]
    tensors = [(tensor + ".lora_a", (n_embd, rank), bytes(a)), (tensor + ".lora_b", (rank, n_vocab), bytes(b))]
    infos, offset = b"", 0
    for tensor_name, shape, data in tensors:
        infos += text(tensor_name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", d) for d in shape)
        infos += struct.pack("<IQ", 0, offset)
        offset += (len(data) + 31) // 32 * 32
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(keys)) + b"".join(keys) + infos
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % 32))
        for _, _, data in tensors:
            f.write(data + bytes(-len(data) % 32))
    return path
