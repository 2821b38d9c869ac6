#!/usr/bin/env python3
"""Record what the reference engine answers: 20 prompts x 64 greedy tokens, with the 20 likeliest tokens of each step.

  make_logits.py smollm2-135m-q4_1.gguf smollm2 [SCRATCH]    # writes smollm2.txt and smollm2_exact.txt; format: ORIGIN.md
  make_logits.py gemma3-270m-q4_k_m.gguf gemma3 [SCRATCH]

SCRATCH is where the model is put dequantized (4 bytes a weight), to compute the same without rounding. Prints how far the
reference is from that, and from itself when the same tokens go through it in one pass.
"""
import hashlib, os, sys
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from reference import Reference, VERSION, log_softmax, write_copy  # noqa: E402

N_GEN, N_TOP = 64, 20
CHATML = "<|im_start|>system\nYou are a helpful AI assistant.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
GEMMA = "<start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n"
PLAIN = [
    ("short", "The"),
    ("fact", "The capital of France is"),
    ("story", "Once upon a time, in a small village by the sea, there lived an old fisherman who"),
    ("prose", "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it was the epoch of belief,"),
    ("science", "Photosynthesis is the process by which green plants convert sunlight into chemical energy. In the first stage,"),
    ("python", "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n    if n < 2:\n        return n\n"),
    ("c", "#include <stdio.h>\n\nint main(int argc, char **argv) {\n    for (int i = 0; i < argc; i++) {\n"),
    ("sql", "SELECT customer.name, SUM(orders.total)\nFROM customer\nJOIN orders ON"),
    ("json", "{\"users\": [{\"id\": 1, \"name\": \"Ada\", \"active\": true}, {\"id\": 2, \"name\": \"Grace\","),
    ("german", "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft"),
    ("french", "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont"),
    ("chinese", "人人生而自由，在尊严和权利上一律平等。他们"),
    ("russian", "Все люди рождаются свободными и равными в своем достоинстве и правах. Они"),
    ("numbers", "1, 2, 3, 5, 8, 13, 21, 34,"),
    ("arithmetic", "12 + 30 = 42\n7 * 8 = 56\n100 - 1 = 99\n15 + 27 ="),
    ("list", "Shopping list:\n- milk\n- eggs\n- bread\n-"),
    ("emoji", "Weather today: ☀️ 25°C, tomorrow: 🌧️ 18°C, then:"),
]
CHAT = [("chat-hello", "Hello! Who are you?"), ("chat-explain", "Explain in two sentences why the sky is blue."),
        ("chat-code", "Write a Python function that reverses a string.")]


def top_line(lp):
    top = np.lexsort((np.arange(lp.size), -lp))[:N_TOP]
    return top, "top " + " ".join(f"{t} {lp[t]:.4f}" for t in top)


def greedy(ref, ids):
    ref.clear()
    rows, gen = [ref.eval(ids, 0)[0]], []
    while True:
        gen.append(int(rows[-1].argmax()))
        if len(gen) == N_GEN:
            return rows, gen
        rows.append(ref.eval([gen[-1]], len(ids) + len(gen) - 1)[0])


def forced(ref, ids, gen):
    ref.clear()
    return ref.eval(ids + gen[:-1], 0, every=True)[len(ids) - 1:]


class Distance:
    """Mean over positions of |d logprob| over the exact top 20, KL divergence, and agreement on the first token."""
    def __init__(self, what):
        self.what, self.d, self.kl, self.same = what, [], [], []

    def add(self, exact, other):
        p, q = log_softmax(exact), log_softmax(other)
        top = np.argsort(-p)[:N_TOP]
        self.d.append(np.abs(p[top] - q[top]).mean())
        self.kl.append((np.exp(p) * (p - q)).sum())
        self.same.append(p.argmax() == q.argmax())

    def __str__(self):
        return (f"{self.what}: mean |d logprob| {np.mean(self.d):.4f}, mean KL {np.mean(self.kl):.6f},"
                f" same first token {np.sum(self.same)}/{len(self.same)}")


def main():
    path, stem = sys.argv[1:3]
    exact_path = sys.argv[3] if len(sys.argv) > 3 else "exact.tmp"
    sha = hashlib.file_digest(open(path, "rb"), "sha256").hexdigest()
    write_copy(path, exact_path)
    ref, exact = Reference(path, n_ctx=1024), Reference(exact_path, n_ctx=1024, kv="f32")
    wrap = CHATML if "smollm2" in os.path.basename(path) else GEMMA
    prompts = [(n, t, False) for n, t in PLAIN] + [(n, wrap.format(t), True) for n, t in CHAT]
    head = f"# {os.path.basename(path)} sha256 {sha}\n# {VERSION}, "
    ours = [head + "f16 KV, flash attention off; prompt in one pass, then one token a pass, greedy, end tokens ignored"]
    true = [head + "weights dequantized to F32, f32 KV, flash attention off; one pass over prompt and tokens"]
    by_one, by_all, noise = Distance("reference, token by token, from exact"), Distance("reference, one pass, from exact"), Distance("the two from each other")
    for name, text, special in prompts:
        ids = ref.tokenize(text.encode(), bos=True, special=special)
        rows, gen = greedy(ref, ids)
        block = [f"prompt {name} {len(ids)} {N_GEN}", "ids " + " ".join(map(str, ids)), "gen " + " ".join(map(str, gen))]
        ours += block
        true += block
        for row, again, best, g in zip(rows, forced(ref, ids, gen), forced(exact, ids, gen), gen):
            top, line = top_line(log_softmax(row))
            assert top[0] == g
            ours.append(line)
            true.append(top_line(log_softmax(best))[1])
            by_one.add(best, row)
            by_all.add(best, again)
            noise.add(row, again)
    for out, lines in ((stem + ".txt", ours), (stem + "_exact.txt", true)):
        with open(out, "w") as f:
            f.write("\n".join(lines) + "\n")
    os.unlink(exact_path)
    print(f"{stem}: {by_one}\n  {by_all}\n  {noise}")


if __name__ == "__main__":
    main()
