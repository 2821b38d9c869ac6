#!/usr/bin/env python3
"""Write corpus.json: the strings on which tokenizers and split patterns are compared.

Every string is ours or a public-domain sentence. Order matters: expected results refer to it by position, so new
strings go to the end and the expected files are made again. Characters are limited to those assigned
in Unicode 13, so that no two regular expression libraries disagree about what a letter is. Standard library only.
"""
import json, os, random, unicodedata

HERE = os.path.dirname(os.path.abspath(__file__))

CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'T", "'RE", "'Ve", "'M", "'lL", "'D", "'x", "'"]

STRINGS = [
    "", " ", "  ", "   ", "    ", "\t", "\n", "\n\n", "\n\n\n", "\r\n", "\r", "\r\n\r\n", "\t\n", " \n", "\n ", " \n \n ", "a", " a", "a ",
    "Hello world", " Hello world", "Hello world ", "  Hello  world  ", "Hello, world!", "HELLO WORLD", "hello WORLD hELLO wORLD HeLLo",
    "The quick brown fox jumps over the lazy dog.", "camelCase PascalCase snake_case kebab-case SCREAMING_CASE XMLHttpRequest iOS eBay",
    "Hello\nworld", "Hello\n\nworld", "Hello \n world", "Hello\n  world\n    again\n", "a\r\nb\r\n\r\nc", "a\n \nb", "a  \n\n  b", "trailing newline\n",
    "trailing spaces   ", "   leading spaces", "tabs\tand\t\ttabs", "\t\tx", " \t x", "a \t b", "x\n\t\ty", "one  two   three    four     five",
    " " * 16, " " * 17 + "x", "x" + " " * 31 + "y", "\n" * 12, "\n" * 5 + "x", "\t" * 7 + "z", " \n" * 6, "\r\n" * 5 + "end", "\u00a0", "a\u00a0b", "\u3000全角スペース\u3000",
    "a\u2003b\u2009c\u200ad", "a\u0085b", "a\u2028b\u2029c", "a\x0bb\x0cc", "zero\u200bwidth\u200cjoin\u200der\ufeffbom", "soft\u00adhyphen", "\u180emvs\u180e",
    "\x1c\x1d\x1e\x1f", "\x00", "a\x00b", "\x01\x02\x7f", "\x1b[31mred\x1b[0m", "\u0080\u0081\u009f",
    # numbers
    "0", "1", "12", "123", "1234", "12345", "123456", "1234567", "12345678901234567890", " 1", " 12", " 123", " 1234", "1 2 3", "1,234,567.89", "3.14159", "-42", "+7", "1e-10", "0x1F",
    "0b1010", "10%", "$19.99", "€5", "1st 2nd 3rd", "2024-01-31T23:59:59Z", "192.168.0.1", "+1 (555) 010-9999", "1/2", "½ ¾ ⅓", "x² y³ ¹", "Ⅳ Ⅻ ⅷ", "①②③", "٣٤٥٦", "१२३४", "１２３４", "৪২", "𝟙𝟚𝟛", "1½2", "a1b2c3", "v1.2.3-rc4",
    "九十九 百二十", "100000000000000000000000000000000000000000",
    # contractions
    "I'm you're he's we've they'll I'd don't", "I'M YOU'RE HE'S WE'VE THEY'LL I'D DON'T", "it's it’s", "y'all'd've", "'tis 'twas", "O'Neill d'Artagnan l'été", "'s 't 're", "x'S'T'RE", "rock'n'roll",
    "'\u017f", "\u017f 'm\u017f", "a'\u212a", "she'll've", "''s", "'' \"\"", "`'s`",
    # punctuation and symbols
    "!", "!!", "...", "…", "?!?!", "---", "—–-", "\"quoted\"", "'single'", "«guillemets»", "„Gänsefüßchen“", "‘’“”", "(a)[b]{c}<d>", "a+b=c", "a - b", "a-b", "a/b\\c", "//", "/* c */", "http://example.com/a?b=c&d=e#f",
    "user@example.com", "#hashtag @mention", "100% of $5 & ^7 ~ `tick` | pipe", "_", "__init__", "_a_", "a_b", "***bold***", "~~~", "=====", "-----\n", ".\n.\n", "!\n\n!", "/\n/\n", "a/\nb", "%/\n/x", "$$", "^^", "+-*/=", "<<>>", "<|x|>", "§ ¶ † ‡ •", "© ® ™", "° ± × ÷", "¬ ¦ ´ ¨", "→ ← ↔ ⇒", "∑ ∫ √ ∞ ≠ ≤", "，。！？；：", "、「」『』【】", "（全角）", "～", "¡Hola! ¿Qué tal?",
    # Latin with marks, composed and decomposed
    "café", "cafe\u0301", "naïve Zoë", "Ångström A\u030angstro\u0308m", "ÄÖÜäöüß ẞ", "Straße STRASSE", "ñ n\u0303", "Žluťoučký kůň úpěl ďábelské ódy", "Pchnąć w tę łódź jeża", "Árvíztűrő tükörfúrógép", "İstanbul ıspanak", "Tiếng Việt có dấu", "ﬁ ﬂ ﬀ ligatures", "ǅ ǈ ǋ titlecase", "ʰ ʷ ʲ modifiers", "e\u0301\u0302\u0303", "\u0301", " \u0301x", "x\u0301\u0301\u0301\u0301\u0301", "Z\u0351\u036b\u0343a\u0363\u0349l\u035cg\u0312o\u0315", "q\u0307\u0323", "ÅÅÅ",
    # other scripts
    "Привет, мир!", "Съешь же ещё этих мягких французских булок", "ПРИВЕТ Мир", "Ћирилица Ѓорѓи", "Καλημέρα κόσμε", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία", "ὰ ἀ ᾳ", "Բարեւ աշխարհ", "გამარჯობა მსოფლიო", "ႠႡ Ა", "שלום עולם", "שָׁלוֹם", "مرحبا بالعالم", "السَّلَامُ عَلَيْكُمْ", "فارسی می‌خواهم", "اردو", "नमस्ते दुनिया", "क्षत्रिय", "हिन्दी में", "বাংলা ভাষা", "தமிழ் மொழி", "తెలుగు", "ಕನ್ನಡ", "മലയാളം", "ไทยไม่มีช่องว่าง", "ภาษาไทย", "ລາວ", "ខ្មែរ", "မြန်မာ", "བོད་ཡིག", "አማርኛ", "ᏣᎳᎩ", "ᠮᠣᠩᠭᠣᠯ", "ⴰⵎⴰⵣⵉⵖ",
    "你好，世界", "今天天气不错，我们去公园吧。", "漢字かな交じり文とカタカナ", "ひらがな", "カタカナ", "ｶﾀｶﾅ", "東京タワー2024年", "안녕하세요 세계", "한국어 띄어쓰기", "\u1112\u1161\u11ab", "㍿ ㌔", "𠮷野家", "㐀䶵龥龦鿯", "ㄅㄆㄇ", "mixed中文English混合", "Go言語とRust言語", "中文 with spaces 和 English", "ﾊﾝｶｸ゛", "々〆〇",
    "𝕳𝖊𝖑𝖑𝖔", "𝓗𝓮𝓵𝓵𝓸", "𐐀𐐨 Deseret", "𓀀𓁐", "🄰🅱", "Ａｌｐｈａ", "\U000e0041\U000e0042", "\ue000\uf8ff", "\ufffd", "\uffff", "\U0010ffff",
    # emoji
    "😀", "😀😀😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷🇯🇵", "❤️", "❤", "1️⃣2️⃣", "☺︎", "🧑🏿‍🚀 launches 🚀", "a😀b", " 😀", "😀 ", "✅ ❌ ⚠️", "👨🏻‍🦰👩🏾‍🔬", "🤷", "ʕ•ᴥ•ʔ", "(╯°□°)╯︵ ┻━┻", "¯\\_(ツ)_/¯",
    # code
    "int main(void) {\n    return 0;\n}\n", "def f(x):\n\tif x > 0:\n\t\treturn x**2\n\telse:\n\t\treturn None  # done\n", "for (int i = 0; i < n; i++) a[i] += b[i] * c[i];", "const x = async () => { await y?.z ?? `t${1 + 2}`; };", "SELECT * FROM t WHERE a='b''c' AND d>=1.5e3;\n", "{\"key\": [1, 2.5, null, true], \"s\": \"a\\\"b\\n\"}", "<div class=\"a b\" id='c'>&nbsp;</div>\n", "#include <stdio.h>\n#define X(a,b) ((a)<(b)?(a):(b))\n", "$ ls -la | grep '^d' > out.txt 2>&1\n", "C:\\Users\\name\\file.txt", "/usr/local/bin/thing", "a.b.c::d->e", "x = y ? -z : !w;", "\\frac{a}{b} \\sum_{i=0}^{n} x_i^2", "| a | b |\n|---|---|\n| 1 | 2 |\n", "    four\n        eight\n            twelve\n", "if(a&&b||c){d=~e^f;}", "0xDEADBEEF 0o777 1_000_000u64", "s/foo\\(bar\\)/\\1/g", "std::vector<std::pair<int,int>>", "@decorator\nclass A(B): ...\n", "print(f\"{x!r:>10}\")", "\\n\\t\\\\", "/* é */ // ü\n", "git commit -m 'fix: it'",
    "abc123def456", "MD5: d41d8cd98f00b204e9800998ecf8427e", "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=", "https://例え.jp/パス?q=値",
    # texts that look like special tokens (never parsed as such from user text)
    "<s>", "</s>", "<|endoftext|>", "<|im_start|>user\nhi<|im_end|>", "<bos><eos><unk><pad>", "<start_of_turn>user", "[INST] x [/INST]", "<|begin_of_text|>", "<0x0A>", "<unk>", "<unused0>", "\u2581", "\u2581a\u2581\u2581b", "▁▁ ▁", "Ġ Ċ Ġa", "<pad>x</s>", "<|eot_id|>", "<｜begin▁of▁sentence｜>",
    # prose, public domain
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of Darkness, it was the spring of hope, it was the winter of despair.",
    "Call me Ishmael. Some years ago--never mind how long precisely--having little or no money in my purse, and nothing particular to interest me on shore, I thought I would sail about a little and see the watery part of the world.",
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geist der Brüderlichkeit begegnen.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
    "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны поступать в отношении друг друга в духе братства.",
    "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
    "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.", "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।", "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    # long runs: linear time and merge order
    "a" * 300, "ab" * 150, "aaaaab" * 40, "1" * 301, " " * 300, "\n" * 200, "!" * 200, "=" * 129, "的" * 100, "é" * 120, "😀" * 60, "e\u0301" * 80, "_" * 150, "A" * 150, "Aa" * 100, "hahaha" * 40, "ー" * 64, "-" * 257, "\t" * 100, "word " * 60, " a" * 120, "x" + "\u0301" * 100, "'" * 50, "0" * 64 + "x", "antidisestablishmentarianism" * 6, "Donaudampfschifffahrtsgesellschaftskapitän", "\u200d" * 20, "ab\n" * 50, "\"'" * 40,
]


def made(rng, alphabet, n):
    return "".join(rng.choice(alphabet) for _ in range(n))


def main():
    rng = random.Random(20260101)
    out = list(STRINGS)
    out += ["He" + c + " and she" + c + "x" for c in CONTRACTIONS]
    mixed = list("aZé ß  \n\t'\"1½٣.,!/_-你あ한ع\u0301\u200d😀🏽\u00a0\r$<|>") + ["'s", "'LL", "  ", "\n\n", "\r\n", "the", " of", "123", "ing"]
    out += [made(rng, mixed, rng.randrange(3, 60)) for _ in range(80)]
    ascii_ = [chr(c) for c in range(32, 127)] + ["\n", "\t", " ", " ", " "]
    out += [made(rng, ascii_, rng.randrange(5, 80)) for _ in range(30)]
    planes = [(0x20, 0x7F), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x591, 0x5EA), (0x620, 0x669), (0x904, 0x96F),
              (0xE01, 0xE3A), (0x2010, 0x2027), (0x2190, 0x23FF), (0x3041, 0x30FF), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0x1F600, 0x1F64F)]
    for _ in range(40):
        lo, hi = rng.choice(planes)
        text = ""
        for _ in range(rng.randrange(4, 40)):
            if rng.random() < 0.2:
                lo, hi = rng.choice(planes)
            c = chr(rng.randrange(lo, hi + 1))
            text += c if unicodedata.category(c) != "Cn" and rng.random() < 0.85 else " "
        out.append(text)
    with open(os.path.join(HERE, "corpus.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(s) for s in out) + "\n]\n")
    # bytes that are not UTF-8, as hex
    bad = ["ff", "80", "c3", "c328", "e282", "e28261", "f09f98", "f09f9861", "c0af", "eda080", "f4908080", "f8888080", "61ff62", "20ff20", "ffff", "80808080",
           "48656c6c6fff576f726c64", "e4bda0e5a5", "c3a9c3", "fe", "6162c3", "c2", "0aff0a", "31ff32", "f0808080", "efbfbe", "e0a080", "e09f80", "edbfbf", "41c3a9ff42"]
    with open(os.path.join(HERE, "invalid.json"), "w") as f:
        json.dump(bad, f, indent=0)
        f.write("\n")
    print(len(out), "strings,", sum(len(s.encode()) for s in out), "bytes;", len(bad), "invalid")


if __name__ == "__main__":
    main()
