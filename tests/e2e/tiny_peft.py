"""Write LoRA adapters as peft saves them (adapter_config.json, adapter_model.safetensors) for the models of tiny_checkpoint.py, and
merge them into a copy of the model by peft's own formula: W + scale * B A, scale = alpha / r, or alpha / sqrt(r).
"""
import copy
import json
import math
import random
import re
import struct

from tiny_checkpoint import raw, round_to

FRONT = "base_model.model."
ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
FEED_FORWARD = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")


def own(patterns, module, otherwise):
    """The first pattern that fits, as peft finds it."""
    for key, value in patterns.items():
        if re.match(rf"(.*\.)?({key})$", module):
            return value
    return otherwise


class Peft:
    """An adapter of a model's modules with random values. kind: the type of its tensors; `config` goes into adapter_config.json."""

    def __init__(self, model, modules=ATTENTION + FEED_FORWARD, kind="F32", seed=5, prefix="", front=FRONT, **config):
        rng = random.Random(seed)
        self.config = dict({"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "org/model", "r": 4, "lora_alpha": 6, "bias": "none",
                            "target_modules": sorted({m.split(".")[-1] for m in modules}), "lora_dropout": 0.05, "inference_mode": True,
                            "init_lora_weights": True, "modules_to_save": None, "use_dora": False, "use_rslora": False, "rank_pattern": {},
                            "alpha_pattern": {}, "fan_in_fan_out": False, "layers_to_transform": None, "peft_version": "0.21.2"}, **config)
        self.kind, self.t, self.pairs, c = kind, {}, [], self.config
        names = [n[:-len(".weight")] for n in model.t if n.endswith(".weight") and len(model.t[n][0]) == 2]
        layers = c["layers_to_transform"]
        for name in names:
            at = re.search(r"\.(\d+)\.", name)
            if not any(name == m or name.endswith("." + m) for m in modules) or (layers is not None and int(at.group(1)) not in layers):
                continue
            module = name[len(prefix):]
            (rows, columns), rank = model.t[name + ".weight"][0], own(c["rank_pattern"] or {}, module, c["r"])
            alpha = own(c["alpha_pattern"] or {}, module, c["lora_alpha"])
            a = [round_to(kind, rng.uniform(-1, 1) / math.sqrt(columns)) for _ in range(rank * columns)]
            b = [round_to(kind, rng.uniform(-1, 1)) for _ in range(rows * rank)]
            self.t[front + module + ".lora_A.weight"] = ((rank, columns), a)
            self.t[front + module + ".lora_B.weight"] = ((rows, rank), b)
            self.pairs.append((name + ".weight", rows, columns, rank, alpha / (math.sqrt(rank) if c["use_rslora"] else rank), a, b))

    def save(self, folder, without=(), data=None):
        folder.mkdir(exist_ok=True)
        (folder / "adapter_config.json").write_text(json.dumps({k: v for k, v in self.config.items() if k not in without}))
        (folder / "README.md").write_text("what a trainer leaves beside it")
        write_mixed(folder / "adapter_model.safetensors", data or {n: (self.kind, *v) for n, v in self.t.items()})
        return folder

    def merged(self, model, times=1.0):
        other = copy.deepcopy(model)
        for name, rows, columns, rank, scale, a, b in self.pairs:
            w = other.t[name][1]
            for r in range(rows):
                for k in range(columns):
                    w[r * columns + k] = round_to("F32", w[r * columns + k] + times * scale * sum(b[r * rank + i] * a[i * columns + k] for i in range(rank)))
        return other


def write_mixed(path, tensors):
    """tensors: name -> (kind, shape, flat list)"""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (kind, shape, values) in tensors.items():
        blob = raw(kind, values)
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [len(data), len(data) + len(blob)]}
        data += blob
    head = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)
