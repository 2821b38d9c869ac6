#!/usr/bin/env python3
"""Random templates, rendered by jinja2 as the model libraries do and by the test program; what differs is printed.

  fuzz_against_jinja2.py PROGRAM [--seed N] [--n N] [--mutate | --edges] [--keep FILE]     # PROGRAM: out/release/tests/golden/test_template_golden

--keep writes the rows for the test suite (random_expected.json). Needs: jinja2.
"""
import argparse, copy, json, os, random, re, signal, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import make_expected

BIG = 18446744073709551615
CONTEXT = {
    "s": "Hello, World", "e": "", "uni": "Grüße ß 你好 😀 ǆ", "ws": " \t x y \n", "html": "<a href='x'>&amp;\"</a>", "nul": "a\0b\u001f",
    "n": 7, "neg": -3, "zero": 0, "big": BIG, "nbig": -(2**70) - 1, "f": 2.5, "g": -0.1, "h": 1e22, "t": True, "b": False, "z": None,
    "l": [3, 1, 2], "m": ["b", "A", "a", "C", ""], "mixed": [1, "x", None, 2.0, True, [1], {"k": 1}], "empty": [],
    "d": {"b": 1, "a": "x", "C": None, "items": 3, "1": "one"}, "ed": {}, "nested": {"a": {"b": [10, {"c": "deep"}]}},
    "rows": [{"name": "b", "n": 2, "role": "user", "x": {"y": 2}}, {"name": "a", "n": 3, "role": "tool"}, {"name": "C", "n": 1, "role": "user", "x": {"y": 1}}],
    "digits": "42", "num": " -1_000.5e1 ", "json": "{\"a\": [1, 2]}",
}
R = random.Random()


def pick(*options):
    return R.choice(options)


def small():
    return str(R.randint(-6, 12))


def string():
    return pick("s", "e", "uni", "ws", "html", "nul", "digits", "num", "'a'", "'Ab c'", "\"x'y\"", "'a,b,,c'", "'%s-%s'", "'{}{}'", "''", "'ß'", "'\\n'", "'xXx'", "'1'", "'Hello'", "'l'", "' '", "'o, W'")


def number():
    return pick("n", "neg", "zero", "big", "nbig", "f", "g", "h", "t", "b", small(), small(), "0.5", "1e3", "2.675", "1e-7", "123456789012345678901", "2**63", "-2**63", "1.5e300", "10", "3")


def sequence():
    return pick("l", "m", "mixed", "empty", "rows", "[1, 2, 3]", "(1, 'a')", "()", "range(4)", "range(5, 0, -2)", "[[1, 2], [3, 4]]", "['b', 'a']", "(l | map('string'))", "d.items()", "d.values()", "[none, nope]", "[1.5, 2, true]", "[big, n]")


def mapping():
    return pick("d", "ed", "nested", "rows[0]", "{'a': 1, 'b': [2]}", "{1: 2, 'x': none}", "dict(a=1)", "{}")


def odd():
    return pick("nope", "z", "d.nope", "loop", "nope2", "d.a", "range", "none", "ns", "ns.v", "mac", "l[9]")


def leaf():
    return pick(string, string, number, number, sequence, sequence, mapping, odd, odd)()


def args(*kinds):
    out, named = [], False
    for k in kinds:
        if R.random() < 0.3:
            break
        out.append(k())
    if R.random() < 0.03:
        out.append(leaf())
    return "(" + ", ".join(out) + ")" if out or R.random() < 0.3 else ""


def width():
    return str(R.randint(-3, 14))


def attribute():
    return pick("'name'", "'n'", "'role'", "'x.y'", "'nope'", "0", "'0'", "'x'", "'name,n'", "1", "''", "none", "'items'")


def boolean():
    return pick("true", "false", "true", "false", "1", "none", "''")


def test_call():
    return pick("defined", "undefined", "none", "string", "mapping", "iterable", "sequence", "number", "integer", "float", "boolean", "true", "false", "callable", "odd", "even",
                "divisibleby(%s)" % pick("2", "3", "0", "n", "2.5", "'a'"), "divisibleby 3", "lower", "upper", "sameas(%s)" % leaf(), "sameas none", "escaped", "filter", "test", "in(%s)" % pick(sequence, mapping, string)(),
                "in %s" % pick("l", "d", "s"), "eq(%s)" % leaf(), "== %s" % pick("7", "'a'"), "ne(%s)" % leaf(), "lt(%s)" % leaf(), "gt(%s)" % number(), "ge(%s)" % number(), "le(%s)" % string(), "equalto(%s)" % leaf(), "lessthan %s" % small(),
                "defined()", "odd(1)", "nosuch")


def filter_call():
    name = R.choice(FILTERS)
    return name + args(*FILTERS_ARGS[name])


def test_args():
    return pick("'odd'", "'defined'", "'eq', 'user'", "'equalto', 2", "'none'", "'in', [1, 2, 'a']", "'gt', 1", "'string'", "'nosuch'", "'divisibleby', 2", "'number'", "'lt', 2.5", "'mapping'")


def reduce_args():
    return pick("case_sensitive=true", "attribute='n'", "attribute='name'", "true", "", "attribute='x.y'", "attribute='nope'", "false, 'n'", "attribute=0")


FILTERS_ARGS = {
    "abs": [], "attr": [lambda: pick("'a'", "'upper'", "'items'", "'nope'", "'name'", "1")], "batch": [lambda: pick("1", "2", "3", "0", "-1", "'x'"), leaf], "capitalize": [], "center": [width], "count": [], "d": [leaf, boolean],
    "default": [leaf, boolean], "dictsort": [boolean, lambda: pick("'key'", "'value'", "'x'"), boolean], "e": [], "escape": [], "filesizeformat": [boolean], "first": [], "float": [leaf], "forceescape": [],
    "format": [leaf, leaf], "groupby": [attribute, lambda: pick("'q'", "1", "none"), boolean], "indent": [lambda: pick("2", "0", "'> '", "-1", "1"), boolean, boolean], "int": [leaf, lambda: pick("10", "16", "2", "0", "8", "36", "1", "37", "'x'")], "items": [],
    "join": [lambda: pick("', '", "'-'", "1", "none", "e"), attribute], "last": [], "length": [], "list": [], "lower": [], "map": [lambda: pick("'upper'", "'string'", "'length'", "attribute='n'", "attribute='nope', default='q'", "'nosuch'", "'first'", "'int'", "'default', 'x'", "'list'", "'join', '-'", "'tojson'", "attribute='x.y'", "attribute=0")],
    "max": [reduce_args], "min": [reduce_args], "reject": [test_args], "rejectattr": [attribute, test_args], "replace": [string, string, lambda: pick("0", "1", "-1", "2", "none", "true", "'x'")], "reverse": [],
    "round": [lambda: pick("0", "1", "2", "-1", "-2", "none", "1.5"), lambda: pick("'ceil'", "'floor'", "'common'", "'x'")], "safe": [], "select": [test_args], "selectattr": [attribute, test_args], "slice": [lambda: pick("1", "2", "3", "0", "-1", "5"), leaf],
    "sort": [boolean, boolean, attribute], "string": [], "striptags": [], "sum": [attribute, leaf], "title": [], "tojson": [lambda: pick("indent=2", "ensure_ascii=true", "sort_keys=true", "separators=(',', ':')", "indent='-'", "indent=0", "indent=none, sort_keys=true", "true", "indent=2, separators=('; ', '=')")],
    "trim": [lambda: pick("'x'", "' '", "none", "'<a>'", "'Hd'")], "truncate": [lambda: pick("3", "5", "9", "0", "2"), boolean, lambda: pick("''", "'..'", "'>'"), lambda: pick("0", "1", "none")], "unique": [reduce_args], "upper": [], "urlencode": [], "wordcount": [],
}
FILTERS = list(FILTERS_ARGS)

METHODS = {
    "upper": [], "lower": [], "title": [], "capitalize": [], "swapcase": [], "casefold": [], "strip": [string], "lstrip": [string], "rstrip": [string], "split": [lambda: pick("','", "' '", "none", "'l'", "''", "'xyz'"), lambda: pick("0", "1", "-1", "2")],
    "rsplit": [lambda: pick("','", "' '", "none", "'l'"), lambda: pick("0", "1", "-1", "2")], "splitlines": [boolean], "startswith": [lambda: pick("'H'", "('x', 'H')", "''", "1", "()"), width, width], "endswith": [lambda: pick("'d'", "('x', 'd')", "''"), width, width],
    "find": [string, width, width], "rfind": [string, width, width], "index": [string, width], "rindex": [string], "count": [string, width, width], "replace": [string, string, lambda: pick("0", "1", "-1", "2", "none")], "join": [sequence], "partition": [string], "rpartition": [string],
    "removeprefix": [string], "removesuffix": [string], "zfill": [width], "ljust": [width, lambda: pick("'*'", "'ab'", "'é'", "1")], "rjust": [width, lambda: pick("'*'", "' '")], "center": [width, lambda: pick("'*'", "'-'")], "expandtabs": [lambda: pick("4", "0", "-1", "3")],
    "isdigit": [], "isdecimal": [], "isnumeric": [], "isalpha": [], "isalnum": [], "isspace": [], "isupper": [], "islower": [], "isascii": [], "isidentifier": [], "isprintable": [], "istitle": [], "format": [leaf, leaf], "nosuch": [], "translate": [lambda: pick("{108: 'L', 111: none}", "{97: 98}")],
    "get": [lambda: pick("'a'", "'nope'", "1", "none"), leaf], "items": [], "keys": [], "values": [], "copy": [], "append": [leaf], "update": [mapping], "pop": [], "bit_length": [], "is_integer": [], "bit_count": [], "conjugate": [], "hex": [], "as_integer_ratio": [],
}
METHOD_NAMES = list(METHODS)


def format_spec():
    return pick("", "", ">9", "<9", "^9", "*^9", "08", "+", "+d", ",", "_", "x", "#x", "b", "o", "X", "#o", "c", "e", "f", ".2f", ".3", "10.2f", "%", ".1%", "g", ".3g", "G", "E", "d", "s", "5s", ".2s", "=5", "0=9", "08,", "010,.2f", "n", "#b", " d", "-", "+.1e", "05", "_x", ",x", "é>5", ">3.1s", "#", "#.3g", "!r", "!s", "!a", "!r:>9", "!x", "1")


def expression(depth):
    if depth <= 0 or R.random() < 0.12:
        return leaf()
    x = lambda: expression(depth - 1)
    k = R.random()
    if k < 0.24:
        return "(%s | %s)" % (x(), filter_call())
    if k < 0.36:
        name = R.choice(METHOD_NAMES)
        a = args(*METHODS[name])
        return "(%s).%s%s" % (pick(string, x)(), name, a or "()")
    if k < 0.48:
        return "(%s %s %s)" % (pick(number, x)(), pick("+", "-", "*", "/", "//", "%", "+", "-"), pick(number, number, x)())
    if k < 0.50:
        return "(%s ** %s)" % (pick("2", "-2", "0", "1", "0.5", "10", "n", "f", "b"), pick("0", "1", "2", "63", "64", "-1", "100", "-2", "t", "n") if R.random() < 0.9 else x())
    if k < 0.56:
        return "(%s %s %s)" % (x(), pick("==", "!=", "<", ">", "<=", ">=", "in", "not in"), x())
    if k < 0.59:
        return "(%s %s %s %s %s)" % (number(), pick("<", "==", ">="), number(), pick("<", "!="), number())
    if k < 0.66:
        return "(%s is %s%s)" % (x(), pick("", "", "not "), test_call())
    if k < 0.70:
        return "(%s %s %s)" % (x(), pick("and", "or"), x())
    if k < 0.72:
        return "(not %s)" % x()
    if k < 0.78:
        part = lambda: pick("", small(), small(), "none", "n", "big", "true", "-" + str(BIG))
        return "%s[%s]" % (pick(string, sequence, x)(), pick(lambda: part() + ":" + part(), lambda: part() + ":" + part() + ":" + pick("", "1", "-1", "2", "-2", "0", "big", "none"))())
    if k < 0.82:
        return "%s[%s]" % (pick(string, sequence, mapping, x)(), pick(small, string, leaf, number)())
    if k < 0.85:
        return "(%s ~ %s)" % (x(), x())
    if k < 0.88:
        return "(%s if %s%s)" % (x(), x(), pick("", " else " + x()))
    if k < 0.91:
        return pick("[%s, %s]", "(%s, %s)", "{'k': %s, 'j': %s}", "{1: %s, %s: 2}") % (x(), x())
    if k < 0.94:
        return "(%s %% %s)" % (pick("'%s'", "'%d'", "'%5.1f|%x'", "'%(a)s'", "'%s %s'", "'%r'", "'%-5s|'", "'%05d'", "'%+d'", "'%c'", "'%%'", "'%e'", "'%a'", "'%.2s'", "'%*d'", "'%i%%'", "'%#x'", "'%5'", "'%.3d'", "'%y'", "'%g'", "'%u'", "'%5c|'", "'x'"), pick(leaf, leaf, lambda: "(%s, %s)" % (leaf(), leaf()), lambda: "{'a': %s}" % leaf())())
    if k < 0.98:
        spec = format_spec()
        field = pick("", "0", "a", "1", "0.upper", "0[0]", "0[a]", "a.b", "", "")
        text = "{%s%s}" % (field, spec if spec.startswith("!") else ":" + spec if spec else "")
        return "('%s'.format(%s%s))" % (text if R.random() < 0.9 else text + pick("{}", "{1}", "{{}}", "}", "{"), leaf(), pick("", ", a=" + leaf(), ", " + leaf(), ", *l", ", **d"))
    return pick("-%s", "+%s", "dict(%s)", "dict(%s, a=1)", "namespace(%s)", "range(%s)", "range(1, %s)", "mac(%s)", "mac(1, b=%s)", "cycler(%s, 1).next()", "joiner(%s)", "(%s)()", "mac(*%s)", "mac(**%s)", "loop(%s)", "(%s).a.b") % x()


def statement(depth):
    e = lambda: expression(R.randint(0, 3))
    body = lambda: block(depth - 1)
    k = R.random()
    if depth <= 0 or k < 0.35:
        return "{{%s %s %s}}" % (pick("", "", "-"), e(), pick("", "", "-"))
    ws = lambda: pick("", "", "-", "+")
    tag = lambda text: "{%%%s %s %s%%}" % (ws(), text, ws())
    if k < 0.47:
        return tag("if " + e()) + body() + pick("", tag("elif " + e()) + body()) + pick("", tag("else") + body()) + tag("endif")
    if k < 0.62:
        target, value = pick(("x", e()), ("x", sequence()), ("k, v", "d.items()"), ("a, b", pick("[[1, 2], [3, 4]]", "['xy', 'zw']", "[(1,)]", "l", "d.items() | list")), ("(a, b)", "[[1, 2]]"), ("a, (b, c)", "[[1, [2, 3]]]"), ("x, (a, b), y", "[[1, 'ab', 3]]"), ("x", "l if x > 1"), ("x", "m if x recursive"), ("x,", "[[1]]"), ("[a, b]", "[[1, 2]]"), ("loop", "l"))
        inner = pick("", "", "{{ loop.%s }}" % pick("index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0", "previtem", "nextitem", "nosuch", "cycle(1, 2)", "changed(x)", "cycle()"), "{{ x }}", "{{ a }}{{ b }}", "{% if loop.index > 1 %}{% break %}{% endif %}", "{% if loop.first %}{% continue %}{% endif %}")
        return tag("for %s in %s" % (target, value)) + inner + body() + pick("", tag("else") + body()) + tag("endfor")
    if k < 0.75:
        return pick(lambda: tag("set x = " + e()), lambda: tag("set x, y = " + pick("1, 2", "'ab'", "l", e())), lambda: tag("set x") + body() + tag("endset"), lambda: tag("set x | " + filter_call()) + body() + tag("endset"), lambda: tag("set ns.v = " + e()), lambda: tag("set (x, ns.v) = [1, 2]"), lambda: tag("set d.x = 1"))()
    if k < 0.82:
        return tag("macro m2(%s)" % pick("", "a", "a, b=2", "a=1, b=a", "a, caller", "a, a", "a=1, b", "a, b=l")) + body() + pick("", "{{ a }}{{ b }}", "{{ varargs }}", "{{ kwargs }}", "{{ caller() }}", "{{ caller }}") + tag("endmacro") + "{{ m2(%s) }}" % pick("", e(), "1, 2", "1, b=2", "a=1", "1, 2, 3", "z=1", "*l", "**d", "1, a=2", "b=1, b=2") + pick("", "{{ m2.name }}", "{{ m2.arguments }}", "{{ m2.catch_kwargs }}{{ m2.catch_varargs }}{{ m2.caller }}")
    if k < 0.86:
        return tag("call%s mac(%s)" % (pick("", "(q)", "(q=1)"), e())) + body() + tag("endcall")
    if k < 0.90:
        return tag("filter " + filter_call()) + body() + tag("endfilter")
    if k < 0.94:
        return tag("with " + pick("x = %s" % e(), "", "x = 1, y = x", "a = %s, b = %s" % (e(), e()), "a, b = [1, 2]")) + body() + "{{ x }}" + tag("endwith")
    return pick("{# c #}", "{#- c -#}", "{% raw %}{{ x }}{% endraw %}", "{%- raw -%} y {%- endraw -%}", "{% generation %}" + body() + "{% endgeneration %}", "{% block b1 %}" + body() + "{% endblock %}", "{% print " + e() + " %}", "{% print(" + e() + ", 2) %}", "{{ self.b1() }}", "{% do l %}")


def block(depth):
    return "".join(pick("", "", "\n", " ", "  \n", "text", "\n  ") + statement(depth) for _ in range(R.randint(1, 2))) + pick("", "\n", " ")


def program():
    body = "{{ %s }}" % expression(R.randint(1, 4)) if R.random() < 0.6 else block(R.randint(1, 3))
    head = "{% set ns = namespace(v=1, w='q') %}" if re.search(r"\bns\b", body) else ""
    return head + ("{% macro mac(a, b='B') %}[{{ a }}{{ b }}{{ caller() if caller else '' }}]{% endmacro %}" if re.search(r"\bmac\b", body) else "") + body


# ---- at the edges: one expression each, with values one below, at and one above what something depends on


def edge_int():
    limbs = [R.choice((0, 0, 1, 2, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 2, 2**32 - 1, R.getrandbits(32))) for _ in range(R.randint(1, 5))]
    wide = sum(limb << 32 * i for i, limb in enumerate(limbs))
    n = pick(wide, wide, wide, R.choice((1, 9, 10, 99, 100, 999, 1000, 1001, 999999, 10**6, 10**15, 10**16, 10**18, 2**53, 2**63 - 1, 2**63, 2**64)), R.randint(0, 20))
    return str(n + R.randint(-1, 1) if R.random() < 0.3 else n) if R.random() < 0.6 else "-" + str(n)


def edge_float():
    return pick("0.0", "-0.0", "0.5", "1.5", "2.5", "-2.5", "0.05", "0.125", "9.995", "99.5", "999999.5", "1e15", "1e16", "1e17", "123456789.125", "0.0001", "0.00001", "1.25e-5", "1e22", "1e23", "5e-324", "1.7976931348623157e308", "(1e308 * 10)", "(-1e308 * 10)", "(1e308 * 10 - 1e308 * 10)", "0.1", "3.0", "100.0", "2.675", "1e300", "4503599627370497.5", repr(R.uniform(-10, 10)), repr(R.uniform(-1, 1) * 10.0 ** R.randint(-20, 20)))


def edge_string():
    return "'" + "".join(R.choice(("a", "B", "c", "z", " ", " ", "\\n", "\\r\\n", "\\r", "\\t", "\\x0b", "\\x1c", "\\x85", "\\u2028", "\\xa0", "0", "1", "9", "_", "-", ".", "\\'", '"', "\\\\", "&", "<", ">", "/", "%", "{{", "Σ", "σ", "ς", "ß", "ǆ", "ǅ", "İ", "ı", "ŉ", "ﬁ", "é", "e\\u0301", "你", "😀", "٣", "²", "½", "Ⅷ", "\\x00", "\\x1f", "\\x7f", "\\u200b", "ª")) for _ in range(R.choice((0, 1, 1, 2, 3, 4, 6, 9)))) + "'"


def edge_digits():
    return "'" + pick("", "", " ", "\\n") + pick("", "", "+", "-", "--") + pick("", "0x", "0b", "0o", "0", "0_", "_") + "".join(R.choice("0011279af_.eE+- ٣") for _ in range(R.randint(0, 6))) + pick("", "e", "e5", "e+", "e-2", ".", ".5", "_", "inf", "nan", "Infinity", "l") + pick("", "", " ", "_") + "'"


def edge_sequence():
    one = lambda: pick(lambda: str(R.randint(0, 3)), edge_string, edge_float, lambda: "none", lambda: "true", lambda: "[%d, %d]" % (R.randint(0, 1), R.randint(0, 1)), edge_int)()
    same = R.choice((lambda: str(R.randint(0, 2)), edge_string, lambda: "[%s]" % ", ".join(str(R.randint(0, 1)) for _ in range(R.randint(0, 2))), one))
    items = [same() for _ in range(R.randint(0, 5))]
    return "[%s]" % ", ".join(items) if R.random() < 0.7 else "(%s)" % "".join(i + ", " for i in items)


def edge_place():
    return pick("none", "0", "1", "2", "3", "-1", "-2", "9", "-9", "99", "-99")


def edge_spec():
    align = R.choice(("", "<", ">", "^", "=", "*<", "*>", "é^", "0=", "*="))
    return align + R.choice(("", "", "+", "-", " ")) + R.choice(("", "", "#")) + R.choice(("", "", "0")) + R.choice(("", "", "1", "2", "5", "9", "12")) + R.choice(("", "", ",", "_")) + R.choice(("", "", ".0", ".1", ".2", ".6", ".20")) + R.choice(("", "d", "b", "o", "x", "X", "c", "n", "e", "E", "f", "F", "g", "G", "%", "s"))


def edge_value():
    return pick(edge_int, edge_float, edge_float, edge_string, lambda: str(R.randint(-1, 1114112)), lambda: pick("true", "none"))()


def edge():
    percent = lambda: "%" + R.choice(("", "", "-", "0", "+", " ", "#", "-0", "+0", "#0")) + R.choice(("", "", "1", "5", "12")) + R.choice(("", "", ".", ".0", ".1", ".3", ".12")) + R.choice("diouxXeEfFgGcrsa%")
    return R.choice((
        lambda: "('%s' %% %s)" % (percent(), edge_value()), lambda: "('{:%s}'.format(%s))" % (edge_spec(), edge_value()), lambda: "(%s %s %s)" % (edge_int(), pick("+", "-", "*", "//", "%", "/", "==", "<", "<=", ">", ">="), edge_int()),
        lambda: "(%s %s %s)" % (pick(edge_int, edge_float)(), pick("+", "-", "*", "//", "%", "/", "**", "==", "<", "<=", ">", ">="), edge_float()), lambda: "(%s | %s)" % (edge_digits(), pick("int", "int(7, 16)", "int(base=2)", "int(0, 0)", "int(9, 8)", "float", "float(1.5)")),
        lambda: "(%s | %s)" % (edge_value(), pick("int", "float", "string", "tojson", "abs", "round", "round(1)", "round(-1)", "round(2, 'floor')", "round(0, 'ceil')", "filesizeformat", "filesizeformat(true)", "round(20)", "round(-20)")),
        lambda: "(%s %s %s)" % (edge_sequence(), pick("==", "<", "<=", ">", ">=", "!=", "+", "in"), edge_sequence()), lambda: "(%s | %s)" % (edge_sequence(), pick("sort", "sort(reverse=true)", "sort(case_sensitive=true)", "min", "max", "unique | list", "sum", "tojson", "tojson(indent=2)", "batch(2) | list", "batch(3, 'x') | list", "slice(2) | list", "slice(3, 'x') | list", "join(',')", "first", "last", "length", "map('string') | list")),
        lambda: "(%s.%s())" % (edge_string(), pick("lower", "upper", "title", "capitalize", "swapcase", "casefold", "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "isdigit", "isdecimal", "isnumeric", "isalpha", "isalnum", "isspace", "isupper", "islower", "istitle", "isprintable", "isidentifier", "isascii", "expandtabs")),
        lambda: "(%s.%s(%s, %s, %s))" % (edge_string(), pick("find", "rfind", "count", "startswith", "endswith", "index", "rindex"), edge_string(), edge_place(), edge_place()), lambda: "(%s[%s:%s:%s])" % (pick(edge_string, edge_sequence)(), edge_place(), edge_place(), pick("none", "1", "-1", "2", "-2", "3")),
        lambda: "(%s.%s)" % (edge_string(), pick("split(%s, %s)" % (edge_string(), edge_place()), "rsplit(%s, %s)" % (pick("none", edge_string()), edge_place()), "splitlines(true)", "strip(%s)" % edge_string(), "replace(%s, 'x', %s)" % (edge_string(), edge_place()), "zfill(%s)" % edge_place(), "center(%s, '*')" % edge_place(), "ljust(%s)" % edge_place(), "expandtabs(%s)" % edge_place(), "partition(%s)" % edge_string(), "rpartition(%s)" % edge_string(), "removeprefix(%s)" % edge_string(), "removesuffix(%s)" % edge_string())),
        lambda: "(%s | %s)" % (edge_string(), pick("tojson", "tojson(ensure_ascii=true)", "string", "list", "title", "capitalize", "trim", "trim(%s)" % edge_string(), "truncate(%s, true, '')" % edge_place(), "truncate(%s, false, '.', %s)" % (edge_place(), edge_place()), "wordcount", "urlencode", "escape", "striptags", "indent(%s)" % edge_place(), "indent(1, true, true)", "center(%s)" % edge_place(), "replace(%s, 'x')" % edge_string(), "upper", "lower", "reverse", "length", "unique | list", "first", "sort | join")),
    ))()


def edge_program():
    return "{{ %s }}" % edge() if R.random() < 0.8 else "{{ %s }}{{ [%s] }}" % (edge(), edge())


PIECES = ["{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "'", '"', "\\", "(", ")", "[", "]", "{", "}", ",", ".", ":", "|", "~", "=", "==", "!=", "<", ">", "*", "**", "/", "//", "%", " ", "\n", "\r\n", "is", "not", "in", "if", "else", "and", "or", "for", "endfor", "endif", "set", "loop", "1", "0", "1.5", "_", "x", "none", "true", "recursive", "elif", "raw", "endraw", "macro", "is not", "not in", "\\n", "\\x41", "\\u00e9", ";", "!", "é", "0x1f", "1e5", "012", "1_0", "a.b", "\t"]


def mutated(source):
    """Some pieces of a program taken out, put in or exchanged: most are no templates any more, and both must say so."""
    parts = re.findall(r"\w+|\s+|[{}%#]{2}|.", source, re.S)
    for _ in range(R.randint(1, 3)):
        i = R.randrange(len(parts))
        k = R.random()
        if k < 0.3:
            parts[i] = ""
        elif k < 0.6:
            parts[i] += R.choice(PIECES)
        elif k < 0.8:
            parts[i] = R.choice(PIECES)
        elif k < 0.9:
            parts[i] += parts[i]
        else:
            j = R.randrange(len(parts))
            parts[i], parts[j] = parts[j], parts[i]
    return "".join(parts)


class Late(Exception):
    pass


def late(*_):
    raise Late()


def rendered(source):
    signal.setitimer(signal.ITIMER_REAL, 2)
    try:
        return make_expected.render(source, copy.deepcopy(CONTEXT))
    except (Late, MemoryError):
        return None
    except Exception as e:  # a bug of the reference's own, or a rare kind of error
        return {"error": str(e), "kind": type(e).__name__}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


# What is different on purpose: slices of what cannot be sliced are undefined, of constants in the reference as well;
# a fault of the reference in filters of set blocks.
ON_PURPOSE = ("object is not subscriptable", "unhashable type: 'slice'", "slice indices must be integers", "unknown to the frame", "name 'inf' is not defined", "name 'nan' is not defined")  # (constants that it writes as they print,) and complex numbers, which Python makes of (-2) ** 0.5
ADDRESSES = (" at 0x", " At 0x", "%200x", " AT 0X", "<bound method", "<built-in", "<class", "<function", "Cycler", "Joiner", "<jinja2", "<itertools", "<generator", "<block")


def rows(n, seed, mutates, at_edges=False):
    out = []
    for i in range(n):
        R.seed(seed * 1000003 + i)
        source = edge_program() if at_edges else mutated(program()) if mutates else program()
        row = rendered(source)
        if row and not any(t in row.get("error", "") for t in ON_PURPOSE) and len(row.get("output", "")) < 2000 and not any(a in row.get("output", "") for a in ADDRESSES) and "\\ud" not in json.dumps(row.get("output", "")).replace("\\ud83d\\ude00", ""):
            out.append({"template": source, **row})
    return out


def big_numbers(v):
    if isinstance(v, dict):
        return {k: big_numbers(x) for k, x in v.items()}
    if isinstance(v, list):
        return [big_numbers(x) for x in v]
    return {"big": str(v)} if isinstance(v, int) and not -2**63 <= v < 2**63 else v


def write(path, all_rows):
    with open(path, "w", encoding="utf-8") as f:
        f.write('{\n"context": ' + json.dumps(big_numbers(CONTEXT)) + ',\n"templates": [\n' + ",\n".join(json.dumps(r, ensure_ascii=False) for r in all_rows) + "\n]\n}\n")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--n", type=int, default=2000)
    p.add_argument("--keep")
    p.add_argument("--mutate", action="store_true", help="break the programs here and there")
    p.add_argument("--edges", action="store_true", help="single expressions, at the edges of what they depend on")
    a = p.parse_args()
    signal.signal(signal.SIGALRM, late)
    all_rows = rows(a.n, a.seed, a.mutate, a.edges)
    n_ok = sum("output" in r for r in all_rows)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.json")
        write(path, all_rows)
        done = subprocess.run([a.program, path], capture_output=True, text=True, errors="replace")
    sys.stdout.write(done.stderr)
    print(f"{len(all_rows)} templates, {n_ok} rendered by jinja2; differences: {done.stderr.count(chr(10) + '  in ')} (exit {done.returncode})")
    if a.keep:  # short ones, of which the golden test then holds each
        write(a.keep, [r for r in all_rows if len(r["template"]) + len(r.get("output", "")) < 250])
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
