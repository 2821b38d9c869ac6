#!/usr/bin/env python3
"""Write features.json: small templates, one feature each, with the context they are rendered in. Standard library only."""
import json, os

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = [{"name": "b", "n": 2, "role": "user"}, {"name": "a", "n": 3, "role": "tool"}, {"name": "C", "n": 1, "role": "user"}]
CTX = {"s": "Hello, World", "e": "", "n": 7, "f": 2.5, "t": True, "z": None, "l": [3, 1, 2], "d": {"b": 1, "a": "x", "C": None}, "rows": ROWS, "uni": "Grüße 你好 😀", "html": "<a href='x'>&\"</a>", "ws": "  x \n", "nested": {"a": {"b": [10, {"c": "deep"}]}}, "items_key": {"items": 5, "keys": 6}}

EXPRESSIONS = """
1 + 2 * 3 - 4 / 2
7 // 2, -7 // 2, 7 % 3, -7 % 3, 7.5 % 2, 2 ** 10, 2 ** -1, -2 ** 2
1 / 3, 1e3, 1.0, 1e21, 1e-7, 123456789012345678901234567890, 0.1 + 0.2, 10 / 2, 3.0 // 2
1_000, 0x1F, 0o17, 0b101
"a" ~ 1 ~ none ~ true ~ 1.5 ~ [1, "x"] ~ {"k": "v"}
"a" "b" 'c'
"a" * 3, [1] * 2, "x" + "y", [1] + [2]
'it\\'s', "q\\"q", "t\\tn\\nx\\\\", "\\u00e9\\x41"
1 == 1.0, "1" == 1, none == none, true == 1, [1] == [1], {"a": 1} == {"a": 1}
1 != 2, 1 < 2 <= 2 < 3, 3 > 2 > 2, "a" < "b", "B" < "a"
1 in [1, 2], 3 not in [1, 2], "ell" in s, "a" in d, "zz" in d, not "a" in d
t and e, t or e, e or "x", not t, not e, none or 0, 0 and 1
"yes" if t else "no"
"only" if e
(1, 2, 3), (1,), (), [1, "a", none, true, 1.5, {"a": [1]}]
{"a": 1, "b": {"c": [1, 2]}, 3: "x"}
l[0], l[-1], l[1:], l[:2], l[::-1], l[-2:], l[1:1], l[::2]
s[0], s[-1], s[7:], s[:5], s[::-1], uni[6:8], uni[-1]
d.a, d["a"], d["b"], d.C, d.nope, d["nope"]
nested.a.b[1].c, nested["a"]["b"][0], nested.a.b[1]["c"]
items_key["items"]
nope, nope is defined, nope is undefined, z is none, z is defined
nope.x
nope["x"]
nope + 1
nope ~ "x", nope == nope, nope or "default"
d.nope.x
l[9]
n is number, f is float, n is integer, t is integer, t is number, t is boolean, s is string, l is sequence, d is mapping, s is iterable, s is sequence, d is iterable, n is iterable
n is odd, n is even, n is divisibleby 7, n is divisibleby(2), n is eq 7, n is ne 7, n is gt 3, n is lt 3, n is ge 7, n is le 7, n is in [7], "a" is in d
t is true, t is false, z is none, z is not none, s is lower, "abc" is lower, "ABC" is upper, n is sameas 7, z is sameas none, f is callable, 1 is eq(1), e is escaped
n is equalto 7, n is greaterthan 3, n is == 7
s | upper, s | lower, s | title, s | capitalize, "hello wORLD it's" | title
ws | trim, "xxaxx" | trim("x"), ws | trim | length
l | length, s | count, d | length, uni | length
l | first, l | last, "abc" | first, [] | first, [] | last
l | sort, l | sort(reverse=true), rows | sort(attribute="name") | map(attribute="name") | list, ["b", "A", "c"] | sort, ["b", "A", "c"] | sort(case_sensitive=true)
l | join(", "), rows | join("-", attribute="name"), [1, none, "x"] | join, [] | join(",")
rows | map(attribute="n") | list, ["a", "b"] | map("upper") | list, rows | map(attribute="nope", default="?") | list
rows | selectattr("role", "equalto", "user") | map(attribute="name") | list, rows | rejectattr("role", "eq", "user") | list | length, rows | selectattr("n") | list | length, rows | selectattr("nope", "defined") | list
[1, 2, 3, 4] | select("odd") | list, [1, 2, 3, 4] | reject("divisibleby", 2) | list, ["", "a", none] | select | list
l | sum, rows | sum(attribute="n"), [] | sum, l | min, l | max, [] | max
rows | groupby("role") | map("first") | list
[1, 2, 2, 3, 1] | unique | list, ["a", "A"] | unique | list
l | reverse | list, "abc" | reverse
d | items | list, d.items() | list, d.keys() | list, d.values() | list, d | dictsort, d | list
d | tojson, l | tojson, s | tojson, uni | tojson, html | tojson, z | tojson, f | tojson, t | tojson, 1.0 | tojson, 1e21 | tojson, "a/b\\u0001\\n" | tojson
d | tojson(indent=2), l | tojson(indent=4), {} | tojson(indent=2), [] | tojson(indent=2), {"a": {"b": []}} | tojson(indent=1)
nested | tojson(separators=(",", ":")), {"b": 1, "a": 2} | tojson(sort_keys=true), uni | tojson(ensure_ascii=true), {1: 2, none: 3, true: 4} | tojson
nope | tojson
nope | default("x"), e | default("x"), e | default("x", true), z | default("x"), z | default("x", boolean=true), nope | d("y"), d.nope | default([])
"a,b,,c".split(","), " a  b ".split(), "a,b,c".split(",", 1), "a,b,c".rsplit(",", 1), "abc".split("x")
s.replace("l", "L"), s.replace("l", "L", 1), s | replace("l", "L"), s | replace("l", "L", 2)
s.startswith("Hell"), s.endswith("x"), s.startswith(("x", "H")), s.find("o"), s.find("zz"), s.rfind("o"), s.count("l"), s.index("W")
s.upper(), s.lower(), s.title(), "hello world".capitalize(), " x ".strip(), " x ".lstrip(), " x ".rstrip(), "xxaxx".strip("x"), "\\n\\nx".lstrip("\\n")
"abc".isalpha(), "12".isdigit(), "1a".isalnum(), " ".isspace(), "AB".isupper(), "ab".islower(), "²".isdigit(), "½".isnumeric()
", ".join(["a", "b"]), "".join([]), "{}-{}".format(1, "x"), "%s is %d" % ("x", 3), "%05.1f|%x" % (2.25, 255), "a\\nb".splitlines(), "ab".center(6), "7".zfill(3)
"abc" | list, "%s-%s" | format("a", 1), "a b c" | wordcount, "abcdef" | truncate(5), "a\\nb" | indent(2), "a\\nb" | indent(2, true), "a\\n\\nb" | indent(4, first=true, blank=true), "x" | center(5)
html | escape, html | e, html | safe, "<b>x</b> y" | striptags, "a b&c" | urlencode, {"a": 1} | urlencode
"3" | int, "x" | int, "x" | int(5), "3.7" | int, 3.9 | int, "2.5" | float, "x" | float, 3 | string, none | string, true | string, 2.675 | round(2), 2.5 | round, 3.5 | round, 7 | round(-1), 2.1 | round(0, "ceil"), -3 | abs
[1, 2, 3, 4, 5] | batch(2) | list, [1, 2, 3, 4, 5] | slice(2) | list, [1, 2, 3] | batch(2, "-") | list
range(3) | list, range(1, 4) | list, range(10, 0, -3) | list, range(3), range(0) | length
dict(a=1, b="x"), namespace(a=1).a, dict(d, z=1), cycler("a", "b").next(), joiner(", ")()
d.get("a"), d.get("zz"), d.get("zz", "dflt"), d.get("C", 1), {"a": 1}.items() | list
l.index(1), l.count(3), [1, 2].copy(), (1, 2).count(1)
l.append(4)
d.update({"x": 1})
"x".__class__
raise_exception("stop here: " ~ n)
strftime_now("%Y-%m-%d"), strftime_now("%d %b %Y"), strftime_now("%A, %B %d, %Y %H:%M:%S %j %p %I %y %%")
"a" if n > 5 and n < 10 else "b" if n > 2 else "c"
not n == 7 or n is number and not e
n is not number, n is not divisibleby 2, "a" not in "bcd" and true
-n, +n, - - n, not not n
1 if nope is defined and nope.x else 2
l | map("string") | join("/"), rows | map(attribute="name") | map("upper") | join
rows[0].name ~ rows[-1]["name"], (rows | first).name, (rows | selectattr("n", "gt", 2) | first).name
[x for x in l]
l | foo
n is foo
foo(1)
s.foo
s.foo()
1 / 0
1 +
"unterminated
l | sort | first + 1
"é" | upper, "ß" | upper, "İ" | lower | length, "straße" | capitalize, "ÀÉ" | lower
[[1, 2], [3]] | sum(start=[]), "abc" | batch(2) | list
{"a": 1} | length, ("a", "b") | join, ("a" ~ "b") | upper, "a" | upper ~ "b"
s | length > 5, (s | length) > 5, n | string | length
loop is defined, self is defined, range is defined, caller is defined
[none, true, false, None, True, False]
1.5e300 * 1e10, 1e308 * 10, -1e308 * 10
"x" in none
none + 1
"a" + 1
1 < "a"
l["a"]
d[none], d[1]
"abc"["x"]
{"a": "x'y", "b": 'x"y', "c": "\\n\\t\\\\\\u00e9\\u0007"}
["é", "😀", "\\u200b", "\\u00a0"]
rows | tojson | length
"%s" % none, "%d%%" % 5, "%-5s|%5s|" % ("a", "b"), "%r" % "x"
n in l, z in [none], 2 in {"a": 2}, 2 in {"a": 2}.values()
"a-b_c".split("-")[1].split("_")[0], s.split(", ")[-1] | lower
"abc".removeprefix("a"), "abc".removesuffix("c"), "a=b=c".partition("="), "a=b=c".rpartition("=")
nope is sequence, z is sequence, n is sequence, loop is sequence, d.items() is sequence, nope is iterable, nope is mapping, nope is string, nope is number
nope is odd
nope == none, nope != z, nope in [nope], z in [nope], [nope] == [d.nope]
nope | length, nope | list, nope | upper, nope | join, nope | first, nope | default(nope), nope | string
2 ** 63, 2 ** 64 - 1, -(2 ** 63), -(2 ** 63) - 1, 10 ** 25 // 7, -(10 ** 25) // 7, 10 ** 25 % 7, -(10 ** 25) % 7, 10 ** 25 % -7, 2 ** 100 / 2 ** 99
18446744073709551615 | tojson, [2 ** 70] | sum, 2 ** 70 | string | length, 2 ** 70 == 2.0 ** 70, 2 ** 53 + 1 == 2.0 ** 53, 2 ** 70 > 1e21, {2 ** 70: 1}[2.0 ** 70]
1e30 | int, "123456789012345678901234567890" | int, "0xffffffffffffffffffff" | int(0, 16), 1e22 | int, "1_000" | int, "1__0" | int(-1), " 12 " | int, "٣" | int, true | int, none | int(9)
-7 // 2, -7 % 2, 7 // -2, 7 % -2, -7.5 // 2, -7.5 % 2, 7.5 % -2, -0.0, 0.0 // -1, 1e308 * 10, 0 * -1.5
1 / 3, 2 / 3, 1e16, 1e15, 123456789.123456789, 1e-5, 0.0001, 5e-324, 1.7976931348623157e308, 100.0, 1e22, 1e23, 9007199254740993 / 1
"%d" % 1e22, "%x" % 2 ** 70, "%o|%#x|%#o" % (8, 255, 8), "%+d|% d|%05d|%-5d|" % (5, 5, -5, 5), "%.3d|%5.3d" % (5, 5), "%c%c" % (65, "b"), "%5c|%-5c|" % ("a", "b")
"%s" % nope, "x" % [], "%s %s" % (1, nope), "%5.1f%%" % 2.25, "%e %g %G" % (12345.678, 1e-10, 1e20), "%r %a" % ("é", "é"), "%.2s" % "abc", "%*d|%-*d|" % (5, 1, 5, 1)
"{:c}".format(65), "{:>5}".format(true), "{}".format(true), "{:d}".format(true), "{:n} {:n}".format(1234, 2.5), "{:,} {:_} {:_x}".format(1234567, 1234567, 1234567), "{:010,}|{:010,.2f}".format(1234, 1234.5)
"{:.3} {:.3} {:.10}".format(3.0, 1234.5, 0.1), "{:%} {:.1%}".format(0.5, 0.123), "{:e} {:G}".format(1e10, 1e10), "{:=+7d} {:*^7} {:é<5}".format(5, "ab", "c"), "{:05} {:5}|".format("ab", 3), "{!r:>6} {!a}".format("é", "é")
"{} {1}".format(1, 2)
"{0} {}".format(1, 2)
"{a[k].b} {0[1]}".format([1, 2], a={"k": {"b": 3}})
"{:s}".format(1)
"{:d}".format("x")
"{:>5}".format(none)
"ab\\tc".expandtabs(4), "\\t".expandtabs(0), "a1".isidentifier(), "1a".isidentifier(), "é".isidentifier(), "".isidentifier(), "a b".isprintable(), "a\\n".isprintable(), "Ab Cd".istitle(), "AB".istitle(), "aXb".translate({97: "A", 98: none, 88: 120})
"一".isnumeric(), "²".isdigit(), "½".isnumeric(), "Ⅷ".isupper(), "ⓐ".islower(), "ǅ".istitle(), "ǅ".swapcase(), "ß".casefold(), "ﬁ".casefold(), "ΑΣ".lower(), "ŉ".upper()
(7).bit_length(), (-255).bit_count(), n.real, f.imag, f.is_integer(), (2.5).as_integer_ratio(), (0.1).hex(), n.numerator, (2 ** 70).bit_length(), true.real
("<" | e).replace("&", "&&"), "a%sb" | safe | format("<"), ("<" | e) + "<", "<" + ("<" | e), ("a-b" | safe).split("-"), ("%s" | safe) % "<", ("{}" | safe).format("<b>"), ("-" | safe).join(["<", 1]), ("x" | safe).center(3), ("ab" | safe)[0], ("ab" | safe) ~ "<"
d.get("a", default=1)
s.replace(old="l", new="L")
s.split(sep=","), s.split(",", maxsplit=0), "a\\nb".splitlines(keepends=true)
012
1_0, 0x_f, 0, 00, 007.5, 1.5e3, 1_0.5_0
[1, 2, 3] | batch(0) | list, [1, 2, 3] | batch(-1) | list, [1, 2, 3] | slice(-1) | list, [] | batch(2, 0) | list, [1] | slice(3, 0) | list
rows | map(attribute="x.y", default="q") | list, rows | groupby("nope", default="z") | list | length, rows | sort(attribute="role,name") | map(attribute="name") | join, rows | map(attribute="n") | sum
rows | sum(attribute="n", start=10), [[1], [2]] | sum(start=[]), [1, 2] | sum(start=0.5), rows | min(attribute="n"), rows | max(attribute="name", case_sensitive=true)
[3, "a"] | sort
[1, 2] | sort(reverse="x")
2.5 | round, 3.5 | round, 2.675 | round(2), 1234 | round(-2), 1250 | round(-2), 2.5 | round(none), 7 | round(1, "ceil"), 1e22 | round(-21), -2.5 | round, 1.15 | round(1, "floor"), 2 ** 70 | round(-3)
5 | urlencode, [["a b", "c&d"]] | urlencode, "a/b c" | urlencode, {"a": none} | urlencode
"a b  c".split(none, 1), " a b ".rsplit(none, 1), "a,b".split(",", 0), "".split(), "".split(","), " a ".split(none, 0)
s[-3:], s[:-20], s[::-2], s[5:2], s[20:], s[-(2 ** 70):2 ** 70], l[2 ** 70:], l[::-1][0], uni[::-1], uni[-2:], range(10)[2:8:3] | list, range(10)[::-4] | list, (1, 2, 3)[1:]
l[2 ** 70] is defined, l[-4] is defined, l["0"] is defined, l[1.0] is defined, l[true], s[-1], s[99] is defined, d[[1]] is defined
[1, 2] * 2 ** 70
mac is defined, self is defined, self, range | string | length > 5
""".strip().split("\n")

TEMPLATES = [
    "{% for a, (b, c) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for (a, b), c in [[[1, 2], 3]] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for (a, b) in ['xy'] %}{{ a }}{{ b }}{% endfor %}", "{% set a, (b, c) = 1, 'xy' %}{{ a }}{{ b }}{{ c }}", "{% set ns = namespace() %}{% set ns.a, b = 1, 2 %}{{ ns.a }}{{ b }}", "{% for x, in [[1]] %}{% endfor %}", "{% for [a] in [[1]] %}{% endfor %}", "{% with a, b = [1, 2] %}{{ a }}{{ b }}{% endwith %}", "{% set n = 1 %}{% with n = 2, m = n %}{{ n }}{{ m }}{% endwith %}{{ n }}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}", "{% for loop in l %}{% endfor %}", "{% for x in l %}{% set loop = 1 %}{% endfor %}", "{% macro m(a, a) %}{% endmacro %}", "{{ range(1, a=1, a=2) }}", "{% macro m(a) %}{{ a }}{{ kwargs }}{% endmacro %}{{ m(1, a=2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}", "{% macro m(a, b=1) %}{{ caller }}{{ varargs }}{% endmacro %}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.catch_varargs }}{{ m.caller }}{{ m.explicit_caller }}{{ m.name }}", "{% macro m(caller) %}{{ caller() }}{% endmacro %}", "{% macro m(caller=none) %}{{ caller }}{% endmacro %}{{ m() }}{{ m(caller=3) }}", "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(b=2) }}", "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(x, y=3, z=4) m() %}{{ x }}{{ y }}{{ z }}{% endcall %}", "{% block a %}A{{ n }}{% endblock %}{{ self.a() }}", "{% block a %}{% endblock %}{% block a %}{% endblock %}", "{% set q = 1 %}{% for x in l %}{% block b %}{{ x }}{{ q }}{% endblock %}{% endfor %}", "{{ self.nope is defined }}{{ self }}", "{% for x in l %}{% continue %}{% else %}none{% endfor %}", "{% for x in l %}{% break %}{% else %}none{% endfor %}", "{% for x in l %}{% if loop.last %}{% break %}{% endif %}{{ x }}{% else %}none{% endfor %}", "{% for x in l %}{% set y %}{{ x }}{% if x == 1 %}{% break %}{% endif %}{% endset %}{{ y }}{% endfor %}", "{% set ns = namespace(stop=false) %}{% for x in l if not ns.stop %}{{ x }}{% set ns.stop = true %}{% endfor %}", "{% for x in l if x != 1 %}{{ loop.index }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.nextitem }}{{ loop.previtem }};{% endfor %}", "{% set g = l | map('string') %}{{ g | list }}{{ g | list }}{{ g | first is defined }}", "{% set g = l | select('nosuch') %}{{ g is defined }}", "{% set g = l | select('nosuch') %}{{ g | list }}", "{{ 5 | items is defined }}{{ none | unique is iterable }}", "{% for x in l | map('string') %}{{ loop.length }}{{ x }}{% endfor %}", "{% filter length %}abc{% endfilter %}", "{% set x | length %}abc{% endset %}{{ x + 1 }}", "{% print %}{% print 1, 2 %}", "{{ -2 ** 2 }}{{ -n ** 2 }}{{ -2 ** n }}{{ (-2) ** 2 }}{{ 2 ** -1 }}{{ 2 ** 3 ** 2 }}", "{% if e %}{% for x in l %}{{ x | foo }}{% endfor %}{% endif %}", "{% if e %}{% set x | foo %}{% endset %}{% endif %}", "{% if e %}{{ x | foo }}{% else %}ok{% endif %}", "{{ ['a', 1] is filter }}", "{{ dict(nope) }}", "{{ (l | batch(2) | first)[0] }}{{ (d | items | first)[0] }}", "{{ loop.index }}", "{% set j = joiner('-') %}{{ j() }}{{ j() }}{{ j() }}{% set c = cycler(1, 2) %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{% set _ = c.reset() %}{{ c.current }}", "{{ [1, 2] | join(',', attribute=0) }}", "{{ 'x' if nope else 'y' if t }}{{ ('x' if e) is defined }}", "{{ s | indent(2, first=true, blank=true) }}{{ 'a\\n\\nb' | indent('> ') }}", "{{ 'a&lt;b' | striptags }}{{ '<a<b>c>d' | striptags }}{{ '<!-- <a> -->x' | striptags }}",
    "a{# comment #}b{#- x -#} c", "{% raw %}{{ x }}{% endraw %}", "{%- raw -%} {{ x }} {%- endraw -%} y", "line\n", "a\r\nb\r\n{{ s }}\r\n", "{{ s }}\n\n", "", "{{}}", "{% %}", "{{ s", "{% if %}", "}} %} #}", "{# open",
    "{% if t %}yes{% elif n %}maybe{% else %}no{% endif %}", "{% if e %}yes{% elif n == 7 %}maybe{% else %}no{% endif %}", "{% if nope %}x{% else %}y{% endif %}", "{% if t %}x", "{% endif %}", "{% if t %}x{% endfor %}",
    "{% for x in l %}{{ loop.index }}/{{ loop.length }}:{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for x in l %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}",
    "{% for x in [] %}a{% else %}empty{% endfor %}", "{% for x in nope %}a{% else %}empty{% endfor %}", "{% for x in none %}{% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for c in 'añ😀' %}[{{ c }}]{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}{{ x }}{{ loop.length }}{% endfor %}", "{% for x in l recursive %}{{ x }}{% endfor %}", "{% for r in [{'n': 1, 'c': [{'n': 2, 'c': []}]}] recursive %}{{ r.n }}{{ loop(r.c) }}{% endfor %}", "{% for x in l %}{% for y in 'ab' %}{{ loop.index }}{{ x }}{{ y }} {% endfor %}{{ loop.index }};{% endfor %}",
    "{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% for a, b in [[1, 2], [3, 4]] %}{{ a }}{{ b }}{% endfor %}", "{% for a, b in [[1, 2, 3]] %}{% endfor %}", "{% for x in l %}{{ loop.cycle('odd', 'even') }}{{ loop.changed(x) }}{% endfor %}{{ loop }}",
    "{% set x = 1 %}{% for i in l %}{% set x = i %}{% endfor %}{{ x }}", "{% set ns = namespace(x=1, y=[]) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}", "{% set ns = namespace({'a': 1}) %}{% set ns.b = 2 %}{{ ns.a + ns.b }}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set x %}block {{ n }}{% endset %}[{{ x }}]", "{% set x | upper %}block{% endset %}{{ x }}",
    "{% if t %}{% set x = 5 %}{% endif %}{{ x }}", "{% set d.x = 1 %}", "{% set s = 'new' %}{{ s }}", "{% for i in l %}{{ s }}{% set s = 'in' %}{% endfor %}{{ s }}",
    "{% macro m(a, b=2, c='x') %}{{ a }}-{{ b }}-{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c='z') }}{{ m() }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, k=3) }}", "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}inner {{ n }}{% endcall %}", "{% macro m(l) %}{% for x in l %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(x) m(l) %}<{{ x }}>{% endcall %}",
    "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "{% macro m(a) %}{% set q = a %}{{ q }}{{ n }}{% endmacro %}{{ m(1) }}{{ q }}", "{{ m(1) }}{% macro m(a) %}{{ a }}{% endmacro %}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(zz=1) }}", "{% macro m(a) %} {{ a }} {% endmacro %}{{ m('x') | trim }}|{{ m('y') | length }}|{{ m.name }}",
    "{% filter upper %}abc {{ s }}{% endfilter %}", "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}", "{% generation %}x{{ n }}{% endgeneration %}", "{% for x in l %}\n{% generation %}\n{{ x }}\n{% endgeneration %}\n{% endfor %}", "{% autoescape false %}{{ html }}{% endautoescape %}", "{% autoescape true %}{{ html }}{{ html | safe }}{% endautoescape %}", "{% block b %}in block{% endblock %}", "{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}", "{% do l.append(1) %}", "{% foo %}",
    "a\n{% if t %}\nb\n{% endif %}\nc\n", "a\n  {% if t %}  \n  b\n  {% endif %}\nc", "a {%- if t -%} b {%- endif -%} c", "a\n\n{%- if t %}\n\nb{% endif -%}\n\n c", "a  {%+ if t %} b {%+ endif %} c", "a\n    {%+ if t %}b{% endif +%}\nc", "{{- s -}}\n\n x", "  {{ s }}  \n  {{- n }}  ", "  {# c #}\nx", "  {#- c -#}\n  x", "a\n  {# c #}  \nb", "\t{% if t %}\tx{% endif %}\t\n", "{% if t -%}\n  x\n{%- endif %}\n", "{%- for x in l %}\n{{ x }}\n{%- endfor %}", "x\n{% set y = 1 -%}\n\n  z", "{% set y = 1 %}\n\nz", "{{ s }}\n{% if t %}\n{% endif %}", "{% if t %} {% if n %}\n a {% endif %}\n{% endif %}\n",
    "{{ '{{' }}{{ '%}' }}{{ \"}}\" }}", "{{ {'a': {'b': 1}} }}", "{{ {'a': 1}['a'] }}{{ [[1]][0][0] }}", "{{ ({'a': 1}).a }}", "{{ (1 if t else 2) + 1 }}", "{{ s if t }}{{ s if e }}", "{{ s\n  | upper\n  | replace('L',\n 'x') }}", "{{ [1,\n2,] }}{{ {'a': 1,} }}", "{{ l | join(', ') | upper | length }}", "{{ 'a' if t else nope.x }}", "{{ t and nope is defined and nope.x }}", "{% if nope is defined and nope.x %}{% else %}ok{% endif %}", "{% if nope.x is defined %}{% endif %}", "{% if d.nope is defined %}a{% else %}b{% endif %}{% if d.nope.more is defined %}{% endif %}",
    "{{ loop.index }}", "{% for x in l %}{% endfor %}{{ x }}", "{% set x = l | length %}{{ x }}{% set l = [] %}{{ l }}", "{{ rows[0] }}", "{% for r in rows | sort(attribute='n') %}{{ r.name }}{% endfor %}", "{% for k, v in d | dictsort %}{{ k }}{{ v }}{% endfor %}", "{% for role, g in rows | groupby('role') %}{{ role }}:{{ g | length }};{% endfor %}", "{% for i in range(0, rows | length, 2) %}{{ rows[i].name }}{% endfor %}", "{% for r in rows[::-1] %}{{ r.name }}{% endfor %}{% for r in rows[1:] %}{{ loop.index }}{% endfor %}",
    "{%- macro dump(x, depth=0) -%}{%- if x is mapping -%}{% for k, v in x.items() %}{{ '  ' * depth }}{{ k }}:{{ dump(v, depth + 1) }}{% endfor %}{%- elif x is string -%}{{ x }}{%- elif x is iterable -%}{% for y in x %}-{{ dump(y, depth + 1) }}{% endfor %}{%- else -%}{{ x }}{%- endif -%}{%- endmacro -%}{{ dump(nested) }}",
    "{% set ns = namespace(found=false) %}{% for r in rows %}{% if r.role == 'tool' and not ns.found %}{% set ns.found = true %}{{ loop.index0 }}{% endif %}{% endfor %}{{ ns.found }}", "{{ '%s' | format(n) }}{{ 'x' | default }}", "{% set x = ['a'] + l %}{{ x }}{{ x | length }}", "{{ 1 }}{{ 1.0 }}{{ true }}{{ none }}{{ [] }}{{ {} }}{{ '' }}", "{{ html }}", "{{ uni }}{{ uni | upper }}",
    "{% if t %}{{ l | foo }}{% endif %}", "{% if e %}{{ l | foo }}{% endif %}ok", "{% if e %}{{ n is foo }}{% endif %}ok", "{{ l.sort() }}{{ l.pop() }}{{ l.extend([1]) }}", "{{ range(100000000) | length }}", "{% set _ = d.pop('a') %}", "{{ lipsum is defined }}", "{{ {}.__class__.__mro__ }}", "{{ ''['__class__'] }}", "{{ [1, 2] | tojson | safe }}{{ (1, 2) | tojson }}", "{{ 'a' | center(3) }}|{{ 12 | filesizeformat }}|{{ 1500000 | filesizeformat(true) }}", "{{ d | xmlattr }}", "{{ s | wordwrap(5) }}", "{{ 'see http://x.y' | urlize }}", "{{ s | pprint }}{{ d | pprint }}", "{{ [3, 1] | random is defined }}", "{{ d | map('upper') | list }}", "{{ s | list | join('.') }}", "{{ caller() }}", "{% for x in l %}{{ super() }}{% endfor %}", "{{ \"\\\n\" }}x", "{{ 'a\nb' }}", "{% set x = true %}{% set x = not x %}{{ x }}", "{{ n if n is defined and n > 3 else 0 }}", "{{ 'x' ~ ('y' if e else '') ~ 'z' }}", "{% set t2 = (1, 'a') %}{{ t2[1] }}{{ t2 }}", "{% for x in (1, 2) %}{{ x }}{% endfor %}", "{{ not_a_thing | default('q') | upper }}", "{{ 5 is divisibleby 5 and 1 }}", "{{ 2 is odd or 3 is odd }}",
]


def main():
    out = [{"template": "{{ [" + e + "] }}" if "," in e and not e.startswith("[x for") else "{{ " + e + " }}", "context": CTX} for e in EXPRESSIONS]
    out += [{"template": t, "context": CTX} for t in TEMPLATES]
    with open(os.path.join(HERE, "features.json"), "w", encoding="utf-8") as f:
        json.dump({"context": CTX, "templates": [o["template"] for o in out]}, f, ensure_ascii=False, indent=0)
        f.write("\n")
    print(len(out), "features")


if __name__ == "__main__":
    main()
