"""Write a tiny GGUF model that says what the test wants.

Every token's embedding is a vector of its own, attention and feed-forward are zero, and the output matrix answers each
token with the one that is to follow: a table of successors in the shape of a llama model. Greedy decoding then walks the
chain of pieces given by the test, whatever was asked. The vocabulary is byte-level BPE: 256 bytes, the control tokens,
and one token per piece.
"""
import struct

U32, F32, STRING, ARRAY, I32 = 4, 6, 8, 9, 5
NORMAL, CONTROL = 1, 3
CHATML = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
          "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
CHATML_TOOLS = "{% if tools %}<tools>{{ tools | tojson }}</tools>\n{% endif %}" + CHATML
CHATML_THINK = CHATML[:-len("{% endif %}")] + "{% if enable_thinking %}<think>\n{% endif %}{% endif %}"


def byte_spellings():
    """GPT-2's table: printable bytes stand for themselves, the others for characters from U+0100 on."""
    table, n = {}, 0
    for b in range(256):
        if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255:
            table[b] = chr(b)
        else:
            table[b] = chr(256 + n)
            n += 1
    return table


def text(s):
    b = s.encode() if isinstance(s, str) else s
    return struct.pack("<Q", len(b)) + b


def key(name, kind, value):
    head = text(name) + struct.pack("<I", kind)
    if kind == U32:
        return head + struct.pack("<I", value)
    if kind == F32:
        return head + struct.pack("<f", value)
    if kind == STRING:
        return head + text(value)
    item_kind, items = value
    body = b"".join(text(i) if item_kind == STRING else struct.pack("<i", i) for i in items)
    return head + struct.pack("<IQ", item_kind, len(items)) + body


def header(n_layers=2, n_embd=1024, n_ff=4096, n_vocab=259, n_ctx=8192, type_id=12, block=(256, 144), arch="llama", part=None, filler=0):
    """The first bytes of a model that nobody has, and the length of its file: (header, n_bytes). Q4_K weights. `part`: (number, of how many)."""
    no, count = part or (0, 1)
    spell = byte_spellings()
    tokens = ([spell[b] for b in range(256)] + ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + [f"w{i}" for i in range(n_vocab - 259)])
    n_heads = n_embd // 128
    keys = [key("general.architecture", STRING, arch), key(f"{arch}.block_count", U32, n_layers), key(f"{arch}.context_length", U32, n_ctx),
            key(f"{arch}.embedding_length", U32, n_embd), key(f"{arch}.feed_forward_length", U32, n_ff),
            key(f"{arch}.attention.head_count", U32, n_heads), key(f"{arch}.attention.head_count_kv", U32, n_heads),
            key(f"{arch}.rope.dimension_count", U32, 128), key(f"{arch}.attention.layer_norm_rms_epsilon", F32, 1e-5),
            key("tokenizer.ggml.model", STRING, "gpt2"), key("tokenizer.ggml.pre", STRING, "gpt-2"),
            key("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)), key("tokenizer.ggml.token_type", ARRAY, (I32, [NORMAL] * len(tokens))),
            key("tokenizer.ggml.merges", ARRAY, (STRING, ["\u0120 t"])), key("general.description", STRING, "x" * filler)]
    if no:
        keys = [key("general.architecture", STRING, arch)]
    if part:
        keys += [key("split.no", U32, no), key("split.count", U32, count)]
    all_tensors = [("token_embd.weight", (n_embd, n_vocab)), ("output.weight", (n_embd, n_vocab)), ("output_norm.weight", (n_embd,))]
    for i in range(n_layers):
        all_tensors += [(f"blk.{i}.{name}.weight", shape) for name, shape in (
            ("attn_norm", (n_embd,)), ("ffn_norm", (n_embd,)), ("attn_q", (n_embd, n_embd)), ("attn_k", (n_embd, n_embd)), ("attn_v", (n_embd, n_embd)),
            ("attn_output", (n_embd, n_embd)), ("ffn_gate", (n_embd, n_ff)), ("ffn_up", (n_embd, n_ff)), ("ffn_down", (n_ff, n_embd)))]
    tensors = all_tensors[len(all_tensors) * no // count:len(all_tensors) * (no + 1) // count]
    infos, offset = b"", 0
    for name, shape in tensors:
        infos += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", d) for d in shape)
        infos += struct.pack("<IQ", type_id if len(shape) > 1 else 0, offset)
        n = 4 * shape[0] if len(shape) == 1 else shape[0] // block[0] * block[1] * shape[1]
        offset += (n + 31) // 32 * 32
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(keys)) + b"".join(keys) + infos
    head += bytes(-len(head) % 32)
    return head, len(head) + offset


def make(path, pieces, loop=False, template=CHATML, n_ctx=4096, start=b"\n", name="tiny", stop="<|im_end|>",
         other_keys=None, links=None):
    """The answer to any chat is the concatenation of `pieces` (str or bytes, each one token), again and again with loop.

    It begins behind the byte `start`, with which chat prompts end. `other_keys`, name: (kind, value), replaces or adds.
    `links`: behind a byte (b">") or a piece (its number) comes the piece of that number, or with None the end.
    """
    spell = byte_spellings()
    tokens = [spell[b] for b in range(256)] + ["<|endoftext|>", "<|im_start|>", stop]
    kinds = [NORMAL] * 256 + [CONTROL] * 3
    end, first = len(tokens) - 1, len(tokens)
    for i, piece in enumerate(pieces):
        raw = piece.encode() if isinstance(piece, str) else piece
        spelled = "".join(spell[b] for b in raw)
        while spelled in tokens:  # every piece needs a token of its own
            raw = b" " + raw
            spelled = "".join(spell[b] for b in raw)
        tokens.append(spelled)
        kinds.append(NORMAL)
    n_vocab = len(tokens)
    n_embd = (n_vocab + 63) // 64 * 64
    follows = {start[0]: first if pieces else end}
    for i in range(len(pieces)):
        follows[first + i] = first + i + 1 if i + 1 < len(pieces) else (first if loop else end)
    for before, piece in (links or {}).items():
        follows[before[0] if isinstance(before, bytes) else first + before] = end if piece is None else first + piece

    keys = [key("general.architecture", STRING, "llama"), key("general.name", STRING, name),
            key("llama.block_count", U32, 1), key("llama.context_length", U32, n_ctx),
            key("llama.embedding_length", U32, n_embd), key("llama.feed_forward_length", U32, 64),
            key("llama.attention.head_count", U32, n_embd // 64), key("llama.attention.head_count_kv", U32, 1),
            key("llama.rope.dimension_count", U32, 64), key("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
            key("tokenizer.ggml.model", STRING, "gpt2"), key("tokenizer.ggml.pre", STRING, "gpt-2"),
            key("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)), key("tokenizer.ggml.token_type", ARRAY, (I32, kinds)),
            key("tokenizer.ggml.merges", ARRAY, (STRING, ["Ġ t"])),
            key("tokenizer.ggml.bos_token_id", U32, 256), key("tokenizer.ggml.eos_token_id", U32, end)]
    if template:
        keys.append(key("tokenizer.chat_template", STRING, template))
    for other, (kind, value) in (other_keys or {}).items():
        keys = [k for k in keys if not k.startswith(text(other))] + [key(other, kind, value)]

    def one_hot(column_of_row):
        data = bytearray(4 * n_vocab * n_embd)
        for row in range(n_vocab):
            for column in column_of_row(row):
                struct.pack_into("<f", data, 4 * (row * n_embd + column), 1.0)
        return bytes(data)

    before = {}
    for a, b in follows.items():
        before.setdefault(b, []).append(a)
    ones = struct.pack("<f", 1.0) * n_embd
    zeros = lambda *shape: bytes(4 * shape[0] * shape[1])
    tensors = [("token_embd.weight", (n_embd, n_vocab), one_hot(lambda row: [row])),
               ("output.weight", (n_embd, n_vocab), one_hot(lambda row: before.get(row, []))),
               ("output_norm.weight", (n_embd,), ones), ("blk.0.attn_norm.weight", (n_embd,), ones),
               ("blk.0.ffn_norm.weight", (n_embd,), ones),
               ("blk.0.attn_q.weight", (n_embd, n_embd), zeros(n_embd, n_embd)),
               ("blk.0.attn_k.weight", (n_embd, 64), zeros(n_embd, 64)),
               ("blk.0.attn_v.weight", (n_embd, 64), zeros(n_embd, 64)),
               ("blk.0.attn_output.weight", (n_embd, n_embd), zeros(n_embd, n_embd)),
               ("blk.0.ffn_gate.weight", (n_embd, 64), zeros(n_embd, 64)),
               ("blk.0.ffn_up.weight", (n_embd, 64), zeros(n_embd, 64)),
               ("blk.0.ffn_down.weight", (64, n_embd), zeros(64, n_embd))]
    write(path, keys, tensors)
    return follows, n_vocab, n_embd


def make_eagle(path, follows, n_vocab, n_embd):
    """A draft (EAGLE-3) for a model of make(), which returned these: of the token before the newest one, which enters the
    model's only layer, it says what follows behind what follows. So the first of its drafts is right."""
    def matrix(rows, columns_of_row, n_columns):
        data = bytearray(4 * rows * n_columns)
        for row in range(rows):
            for column in columns_of_row(row):
                struct.pack_into("<f", data, 4 * (row * n_columns + column), 1.0)
        return bytes(data)

    second = {}
    for a, b in follows.items():
        if b in follows:
            second.setdefault(follows[b], []).append(a)
    ones, none = struct.pack("<f", 1.0) * n_embd, lambda row: []
    keys = [key("general.architecture", STRING, "eagle3"), key("general.name", STRING, "eagle"),
            key("eagle3.block_count", U32, 1), key("eagle3.context_length", U32, 4096), key("eagle3.embedding_length", U32, n_embd),
            key("eagle3.feed_forward_length", U32, 64), key("eagle3.attention.head_count", U32, n_embd // 64),
            key("eagle3.attention.head_count_kv", U32, 1), key("eagle3.attention.layer_norm_rms_epsilon", F32, 1e-5),
            key("eagle3.target_hidden_size", U32, n_embd), key("eagle3.target_layers", ARRAY, (I32, [0, 1, 1]))]
    tensors = [("fc.weight", (3 * n_embd, n_embd), matrix(n_embd, lambda row: [row], 3 * n_embd)),
               ("output.weight", (n_embd, n_vocab), matrix(n_vocab, lambda row: second.get(row, []), n_embd)),
               ("output_norm.weight", (n_embd,), ones), ("blk.0.attn_norm.weight", (n_embd,), ones),
               ("blk.0.attn_norm_2.weight", (n_embd,), ones), ("blk.0.ffn_norm.weight", (n_embd,), ones),
               ("blk.0.attn_q.weight", (2 * n_embd, n_embd), matrix(n_embd, none, 2 * n_embd)),
               ("blk.0.attn_k.weight", (2 * n_embd, 64), matrix(64, none, 2 * n_embd)),
               ("blk.0.attn_v.weight", (2 * n_embd, 64), matrix(64, none, 2 * n_embd)),
               ("blk.0.attn_output.weight", (n_embd, n_embd), matrix(n_embd, none, n_embd)),
               ("blk.0.ffn_gate.weight", (n_embd, 64), matrix(64, none, n_embd)),
               ("blk.0.ffn_up.weight", (n_embd, 64), matrix(64, none, n_embd)),
               ("blk.0.ffn_down.weight", (64, n_embd), matrix(n_embd, none, 64))]
    write(path, keys, tensors)


def write(path, keys, tensors):
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
