#!/usr/bin/env python3
"""Writes vectors.json beside it: what models of each format write, and what must come of it.

Events: ["text", T], ["think", T], ["call", NAME] or ["call", NAME, ID], ["args", JSON], ["end"], ["cut"]. Every text is fed whole,
byte by byte, and cut in two at each byte: what comes out must be the same. The texts are ours, in the shapes that the
families' chat templates show.
"""
import json
import pathlib

F = "｜"  # DeepSeek's bars are wide ones
ROME, OSLO = '{"city": "Rome", "days": 2}', '{"city": "Oslo", "days": 3}'
cases = []


def case(fmt, text, *events, **more):
    cases.append(dict({"format": fmt, "text": text, "events": [list(e) for e in events]}, **more))


def call(args=ROME, name="get_weather", *ident):
    return [("call", name, *ident), ("args", args), ("end",)]


TWO = call() + call(OSLO)


def family(fmt, one, two, empty=None, mark=None, **more):
    """What every family is held to: calls alone, behind text, two of them, none, unknown names, reasoning."""
    case(fmt, one, *call(), **more)
    case(fmt, "Let me look.\n\n" + one, ("text", "Let me look."), *call(), **more)
    case(fmt, two, *TWO, **more)
    case(fmt, "Just text with < and [ and {.", ("text", "Just text with < and [ and {."), **more)
    case(fmt, one.replace("get_weather", "get_whether"), ("text", one.replace("get_weather", "get_whether")), **more)
    if empty:
        case(fmt, empty, *call("{}", "ping"), **more)
    if mark:
        case(fmt, f"The mark {mark} begins a call.", ("text", f"The mark {mark} begins a call."), **more)
        case(fmt, mark, ("text", mark), **more)


def json_family(fmt, opener, closer, listed, key="arguments", name="name"):
    def obj(n, a):
        return '{"%s": "%s", "%s": %s}' % (name, n, key, a)
    if listed:
        one, two = f'{opener}[{obj("get_weather", ROME)}]{closer}', f'{opener}[{obj("get_weather", ROME)}, {obj("get_weather", OSLO)}]{closer}'
        empty = f'{opener}[{obj("ping", "{}")}]{closer}'
    else:
        def wrap(o):
            return f"{opener}\n{o}\n{closer}"
        one, two = wrap(obj("get_weather", ROME)), wrap(obj("get_weather", ROME)) + "\n" + wrap(obj("get_weather", OSLO))
        empty = wrap(obj("ping", "{}"))
    family(fmt, one, two, empty, opener.strip() or None)
    return one


# ---- one object between marks: Hermes, Qwen and many others
json_family("hermes", "<tool_call>", "</tool_call>", False)
H = "<tool_call>\n%s\n</tool_call>"
case("hermes", "<think>\nWhy?\n</think>\n\n" + H % ('{"name": "get_weather", "arguments": %s}' % ROME), ("think", "\nWhy?\n"), *call(), thinks=True)
case("hermes", "<think>never closed", ("think", "never closed"), thinks=True)
case("hermes", "Rome? " + H % ('{"name": "get_weather", "arguments": %s}' % ROME), ("think", "Rome?"), *call(), thinks=True, open=True)
case("hermes", H % ('{"name": "get_weather", "arguments": %s}' % ROME) + "\nDone.", *call(), ("text", "Done."))
case("hermes", '<tool_call>{"name": "get_weather", "arguments": %s}' % ROME, *call())  # the end tag is lost
case("hermes", '<tool_call>{"name": "get_weather", "arguments": {"city": "Rome", "days": 2}', *call())  # and a brace
case("hermes", '<tool_call>{"name": "get_weather", "arguments": {"city": "Rome", "days": 2', *call())
case("hermes", '<tool_call>{"name": "get_weather", "arguments": {"city": "Ro', *call('{"city": "Ro"}'))
case("hermes", '<tool_call>{"name": "get_weather", "arguments": {"city": "Ro', ("call", "get_weather"), ("args", '{"city": "Ro'), ("cut",), cut=True)
case("hermes", '<tool_call>{"name": "get_we', cut=True)
case("hermes", 'So: <tool_call>{"name": "get_weather", "arguments": {}}</tool_call>\n<tool_call>\n{"na', ("text", "So:"), ("call", "get_weather"), ("args", "{}"), ("end",), cut=True)
case("hermes", '<tool_call>{"name": "get_weather", "arguments": {}}</tool_ca', ("call", "get_weather"), ("args", "{}"), ("end",), cut=True)
case("hermes", "2 <3 and a <", ("text", "2 <3 and a <"), cut=True)
case("hermes", "<", cut=True, must_call=True)
case("hermes", "<too", cut=True, must_call=True)
case("hermes", "\n", cut=True, must_call=True)
case("hermes", '<tool_call>{"name": "get_weather", "arguments": {}}</tool_call>\n<', *call("{}"), cut=True, must_call=True)
case("hermes", "<think>a <", ("think", "a <"), cut=True, must_call=True, thinks=True)
case("llama_3", '{"na', cut=True, must_call=True)
case("mistral_args", "[", cut=True, must_call=True)
case("mistral_args", "[TOOL_CALLS]get_we", cut=True)
case("kimi_k2", "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_we", cut=True)
case("qwen3_coder", "<tool_call>\n<function=get_we", cut=True)
case("deepseek_v3_1", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_we", cut=True)
case("gemma_4", "<|tool_call>call:get_we", cut=True)
case("glm", "<tool_call>get_we", cut=True)
case("hermes", '<tool_call>{"arguments": %s, "name": "get_weather"}</tool_call>' % ROME, *call())
case("hermes", '<tool_call>{"name": "get_weather", "arguments": "{\\"city\\": \\"Rome\\", \\"days\\": 2}"}</tool_call>', *call())
case("hermes", '<tool_call>{"name": "get_weather", "parameters": %s}</tool_call>' % ROME, *call())
case("hermes", '<tool_call>{"name": "ping"}</tool_call>', *call("{}", "ping"))
case("hermes", '<tool_call>{"name": "ping", "arguments": null}</tool_call>', *call("{}", "ping"))
case("hermes", '<tool_call>{"name": "ping", "arguments": ""}</tool_call>', *call("{}", "ping"))
case("hermes", '<tool_call>{"name": "ping", "arguments": [1]}</tool_call>', ("text", '<tool_call>{"name": "ping", "arguments": [1]}</tool_call>'))
case("hermes", '<tool_call>{{"name": "get_weather", "arguments": %s}}</tool_call>' % ROME, *call())
case("hermes", "<tool_call>{'name': 'get_weather', 'arguments': {'city': 'Rome', 'days': 2,}}</tool_call>", *call())
case("hermes", '<tool_call>{"name": "note", "arguments": {"flag": True, "ratio": None, "tags": [False,], "text": "a\nb"}}</tool_call>',
     *call('{"flag": true, "ratio": null, "tags": [false], "text": "a\\nb"}', "note"))
case("hermes", '<tool_call>{"type": "function", "function": {"name": "get_weather", "arguments": %s}}</tool_call>' % ROME, *call())
case("hermes", '<tool_call>{"name": "get_weather", "arguments": %s, "id": "call_7"}</tool_call>' % ROME, *call())
case("hermes", '<tool_call>{"id": "call_7", "name": "get_weather", "arguments": %s}</tool_call>' % ROME, *call(ROME, "get_weather", "call_7"))
case("hermes", '<tool_call>{"name": "functions.get_weather", "arguments": %s}</tool_call>' % ROME, *call())
NESTED = r'{"deep": {"a": [1, -2.5e3, null, true, {"b": {}}]}, "text": "\"q\" \\ \n <b> </tool_call> é 😀 \u00e9", "ratio": 12345678901234567890}'
case("hermes", '<tool_call>{"name": "note", "arguments": %s}</tool_call>' % NESTED, *call(NESTED, "note"))
# printed as plain text by a small model
case("hermes", '{"name": "get_weather", "arguments": %s}' % ROME, *call())
case("hermes", '```json\n{"name": "get_weather", "arguments": %s}\n```' % ROME, *call())
case("hermes", '\n[{"name": "get_weather", "arguments": %s}, {"name": "get_weather", "arguments": %s}]' % (ROME, OSLO), *TWO)
case("hermes", '{"name": "Rome", "arguments": %s}' % ROME, ("text", '{"name": "Rome", "arguments": %s}' % ROME))
case("hermes", '{"city": "Rome", "name": "get_weather"}', ("text", '{"city": "Rome", "name": "get_weather"}'))
case("hermes", 'So: {"name": "get_weather", "arguments": %s}' % ROME, ("text", 'So: {"name": "get_weather", "arguments": %s}' % ROME))
case("hermes", "<tool_call> is a tag. <tool_call>\n" + '{"name": "get_weather", "arguments": %s}</tool_call>' % ROME, ("text", "<tool_call> is a tag."), *call())
case("hermes", '<tool_call>{"name": "get_weather", "arguments": %s}</tool_call>' % ROME, ("text", '<tool_call>{"name": "get_weather", "arguments": %s}</tool_call>' % ROME), tools=False)
case("hermes", "Ends in blanks.\n\n", ("text", "Ends in blanks.\n\n"))
# ---- lists of objects
json_family("mistral", "[TOOL_CALLS]", "", True)
case("mistral", '[TOOL_CALLS][{"name": "get_weather", "arguments": %s, "id": "abcdefghi"}]' % ROME, *call())
case("mistral", '[TOOL_CALLS] [{"id": "abcdefghi", "name": "get_weather", "arguments": %s}]' % ROME, *call(ROME, "get_weather", "abcdefghi"))
json_family("granite_3", "<|tool_call|>", "", True)
json_family("nemotron_v2", "<TOOLCALL>", "</TOOLCALL>", True)
json_family("phi_4_mini", "<|tool_call|>", "<|/tool_call|>", True)
json_family("functools", "functools", "", True)
json_family("tool_calls", "<tool_calls>", "</tool_calls>", True)
json_family("apriel", "<tool_calls>", "</tool_calls>", True)
json_family("hunyuan_a13b", "<tool_calls>", "</tool_calls>", True)
json_family("cohere", "<|START_ACTION|>", "<|END_ACTION|>", True, "parameters", "tool_name")
json_family("command_r", "Action:\n```json\n", "\n```", True, "parameters", "tool_name")
json_family("internlm", "<|action_start|><|plugin|>", "<|action_end|>", False, "parameters")
json_family("longcat", "<longcat_tool_call>", "</longcat_tool_call>", False)
json_family("gigachat_3_1", "<|function_call|>", "", False)
case("gigachat_3", '<|message_sep|>\n\nfunction call<|role_sep|>\n{"name": "get_weather", "arguments": %s}' % ROME, *call())
case("cohere", '<|START_THINKING|>Hm.<|END_THINKING|><|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "get_weather", "parameters": %s}\n]<|END_ACTION|>' % ROME,
     ("think", "Hm."), *call(), thinks=True)
case("cohere", "<|START_RESPONSE|>Hello.<|END_RESPONSE|>", ("text", "Hello."))
case("apriel", "Hm.\n[BEGIN FINAL RESPONSE]\nHello.\n[END FINAL RESPONSE]", ("think", "Hm.\n"), ("text", "Hello.\n"), thinks=True, open=True)
case("hunyuan_a13b", '<think>\nNo <tool_calls>[{"name": "ping", "arguments": {}}]</tool_calls>\n</think>\n<answer>\nHello.\n</answer>',
     ("think", '\nNo <tool_calls>[{"name": "ping", "arguments": {}}]</tool_calls>\n'), ("text", "Hello."), thinks=True)
APERTUS = '<|tools_prefix|>[{"get_weather": %s}]<|tools_suffix|>'
family("apertus", APERTUS % ROME, '<|tools_prefix|>[{"get_weather": %s}, {"get_weather": %s}]<|tools_suffix|>' % (ROME, OSLO), '<|tools_prefix|>[{"ping": {}}]<|tools_suffix|>')
# ---- a name, then arguments
for fmt in ("mistral_args", "devstral", "mistral_ids"):
    family(fmt, f"[TOOL_CALLS]get_weather[ARGS]{ROME}", f"[TOOL_CALLS]get_weather[ARGS]{ROME}[TOOL_CALLS]get_weather[ARGS]{OSLO}", "[TOOL_CALLS]ping[ARGS]{}", "[TOOL_CALLS]")
case("mistral_args", f"[THINK]Hm.[/THINK][TOOL_CALLS]get_weather[ARGS]{ROME}", ("think", "Hm."), *call(), thinks=True)
case("mistral_ids", f"[TOOL_CALLS]get_weather[CALL_ID]abc123def[ARGS]{ROME}", *call(ROME, "get_weather", "abc123def"))
case("mistral_args", '[TOOL_CALLS]get_weather[ARGS]{"city": "Ro', ("call", "get_weather"), ("args", '{"city": "Ro'), ("cut",), cut=True)
case("mistral_args", '[TOOL_CALLS][{"name": "get_weather", "arguments": %s}]' % ROME, *call())


def v3(args, name="get_weather"):
    return f"<{F}tool▁call▁begin{F}>function<{F}tool▁sep{F}>{name}\n```json\n{args}\n```<{F}tool▁call▁end{F}>"


def v31(args, name="get_weather"):
    return f"<{F}tool▁call▁begin{F}>{name}<{F}tool▁sep{F}>{args}<{F}tool▁call▁end{F}>"


for fmt, f in (("deepseek_v3", v3), ("deepseek_v3_1", v31)):
    begin, end = f"<{F}tool▁calls▁begin{F}>", f"<{F}tool▁calls▁end{F}>"
    family(fmt, begin + f(ROME) + end, begin + f(ROME) + "\n" + f(OSLO) + end, begin + f("{}", "ping") + end, begin)
    case(fmt, "Hm." + begin + f(ROME) + end, ("think", "Hm."), *call(), thinks=True, open=True)


def kimi(args, n, name="get_weather"):
    return f"<|tool_call_begin|>functions.{name}:{n}<|tool_call_argument_begin|>{args}<|tool_call_end|>"


case("kimi_k2", "<|tool_calls_section_begin|>" + kimi(ROME, 0) + kimi(OSLO, 1) + "<|tool_calls_section_end|>",
     *call(ROME, "get_weather", "functions.get_weather:0"), *call(OSLO, "get_weather", "functions.get_weather:1"))
case("kimi_k2", "Hm." + kimi(ROME, 4), ("text", "Hm."), *call(ROME, "get_weather", "functions.get_weather:4"))
SOLAR = "<|tool_call:begin|>%s<|tool_call:name|>get_weather<|tool_call:args|>%s<|tool_call:end|>"
case("solar", "<|tool_calls|>" + SOLAR % ("a1", ROME) + SOLAR % ("b2", OSLO) + "<|calls|>", *call(ROME, "get_weather", "a1"), *call(OSLO, "get_weather", "b2"))
family("functionary_v3_1", f"<function=get_weather>{ROME}</function>", f"<function=get_weather>{ROME}</function><function=get_weather>{OSLO}</function>",
       "<function=ping>{}</function>", "<function=")
case("functionary_v3_2", f"get_weather\n{ROME}", *call())
case("functionary_v3_2", f"all\nLook:>>>get_weather\n{ROME}>>>get_weather\n{OSLO}", ("text", "Look:"), *TWO)
# ---- bare objects and Python
case("llama_3", '{"name": "get_weather", "parameters": %s}' % ROME, *call())
case("llama_3", '{"type": "function", "name": "get_weather", "parameters": %s}' % ROME, *call())
case("llama_3", '<|python_tag|>{"name": "get_weather", "parameters": %s}' % ROME, *call())
case("llama_3", '<|python_tag|>get_weather.call(city="Rome", days=2)', *call())
case("llama_3", "{ is a brace.", ("text", "{ is a brace."))
for fmt, opener, closer in (("llama_4", "", ""), ("llama_4", "<|python_start|>", "<|python_end|>"), ("lfm2", "<|tool_call_start|>", "<|tool_call_end|>"),
                            ("lfm2_5", "<|tool_call_start|>", "<|tool_call_end|>"), ("olmo_3", "<function_calls>", "</function_calls>")):
    case(fmt, f'{opener}[get_weather(city="Rome", days=2)]{closer}', *call())
    case(fmt, f"{opener}[get_weather(city='Rome', days=2), get_weather(city='Oslo', days=3)]{closer}", *TWO)
    case(fmt, f"{opener}[ping()]{closer}", *call("{}", "ping"))
    case(fmt, f"{opener}[other(a=1)]{closer}", ("text", f"{opener}[other(a=1)]{closer}"))
case("lfm2", "<|tool_call_start|>[get_weather(city=\"Rome\", days=2)]<|tool_call_end|>I look.", *call(), ("text", "I look."))
case("lfm2", "<|tool_call_start|>[get_weather('Rome', 2)]<|tool_call_end|>", *call())
case("olmo_3", '<function_calls>get_weather(city="Rome", days=2)\nget_weather(city="Oslo", days=3)</function_calls>', *TWO)
case("lfm2", "<|tool_call_start|>[note(text='it\\'s \"x\" \\n', tags=['a', None, true], deep={'k': [1, {'z': -2.5}]}, flag=False)]<|tool_call_end|>",
     *call(r'''{"text": "it's \"x\" \n", "tags": ["a", null, true], "deep": {"k": [1, {"z": -2.5}]}, "flag": false}''', "note"))
case("llama_4", "[1, 2] is a list", ("text", "[1, 2] is a list"))
case("llama_4", '[get_weather(city="Ro', ("call", "get_weather"), ("args", '{"city": "Ro'), ("cut",), cut=True)
# ---- tags


def tag_family(fmt, call_of, section=("", ""), glue="\n", mark=None, **more):
    one, two = call_of("get_weather", city="Rome", days="2"), call_of("get_weather", city="Oslo", days="3")
    family(fmt, section[0] + one + section[1], section[0] + one + glue + two + section[1], section[0] + call_of("ping") + section[1], mark)
    for text in ("it's \"x\" \\ <b> & é 😀", "2", "true", "{}", " spaces "):
        if "&" in text and fmt == "minicpm_5":
            continue
        case(fmt, section[0] + call_of("note", text=text) + section[1], *call(json.dumps({"text": text}, ensure_ascii=False), "note"))
    case(fmt, section[0] + call_of("note", tags='["a", 1]', deep='{"k": null}', flag="True", ratio="2.50", maybe="None", other="7") + section[1],
         *call('{"tags": ["a", 1], "deep": {"k": null}, "flag": true, "ratio": 2.50, "maybe": null, "other": 7}', "note"))
    case(fmt, section[0] + call_of("note", flag="perhaps", ratio="many", maybe="word") + section[1],
         *call('{"flag": "perhaps", "ratio": "many", "maybe": "word"}', "note"))


def x1(open_value, close_value):
    def make(name, **args):
        return f"<function={name}>\n" + "".join(f"<parameter={k}>{open_value}{v}{close_value}</parameter>\n" for k, v in args.items()) + "</function>"
    return make


QWEN = x1("\n", "\n")
for fmt in ("qwen3_coder",):
    tag_family(fmt, lambda n, **a: "<tool_call>\n" + QWEN(n, **a) + "\n</tool_call>", mark="<tool_call>")
case("qwen3_coder", QWEN("get_weather", city="Rome", days="2"), *call())  # the opening tag is lost
case("qwen3_coder", "<tool_call>\n" + QWEN("get_weather", city="Rome", days="2") + "\n" + QWEN("get_weather", city="Oslo", days="3") + "\n</tool_call>", *TWO)
case("qwen3_coder", "Hm.\n<tool_call>\n" + QWEN("get_weather", city="Rome", days="2") + "\n</tool_call>", ("think", "Hm."), *call(), thinks=True, open=True)
case("qwen3_coder", "<think>Hm.</think>\nHello.", ("think", "Hm."), ("text", "Hello."), thinks=True, open=True)
CODE = "\n  if a < b:\n    print('</parameter>')\n"
case("qwen3_coder", "<tool_call>\n" + QWEN("note", text=CODE) + "\n</tool_call>", *call(json.dumps({"text": CODE}), "note"))
case("qwen3_coder", "<tool_call>\n<function=get_weather>\n<parameter=city>\nRome\n<parameter=days>\n2\n</function>\n</tool_call>", *call())
case("qwen3_coder", "<tool_call>\n<function=get_weather>\n<parameter=city>\nRome\n</parameter>\n<parameter=days>\n2", *call())
case("qwen3_coder", "<tool_call>\n<function=get_weather>\n<parameter=city>\nRo", ("call", "get_weather"), ("args", '{"city": "Ro'), ("cut",), cut=True)
case("qwen3_coder", "<tool_call>\n<function=get_weather>\n<parameter=ci", ("call", "get_weather"), ("cut",), cut=True)
case("qwen3_coder", '<tool_call>\n<function=get_weather>\n%s\n</function>\n</tool_call>' % ROME, *call())
case("qwen3_coder", '<tool_call>\n{"name": "get_weather", "arguments": %s}\n</tool_call>' % ROME, *call())
SEED = x1("", "")
tag_family("seed_oss", lambda n, **a: "<seed:tool_call>\n" + SEED(n, **a) + "\n</seed:tool_call>", mark="<seed:tool_call>")
case("seed_oss", "<seed:think>Hm.</seed:think>Hello.", ("think", "Hm."), ("text", "Hello."), thinks=True)


def glm(line):
    def make(name, **args):
        return f"<tool_call>{name}{line}" + "".join(f"<arg_key>{k}</arg_key>{line}<arg_value>{v}</arg_value>{line}" for k, v in args.items()) + "</tool_call>"
    return make


tag_family("glm", glm("\n"), mark="<tool_call>")
tag_family("glm", glm(""), glue="", mark="<tool_call>")
case("glm", "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Rome</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>", *call())
S = ":opensource"
tag_family("hunyuan_3", lambda n, **a: f"<tool_call{S}>{n}<tool_sep{S}>\n" + "".join(
    f"<arg_key{S}>{k}</arg_key{S}>\n<arg_value{S}>{v}</arg_value{S}>\n" for k, v in a.items()) + f"</tool_call{S}>", (f"<tool_calls{S}>\n", f"\n</tool_calls{S}>"))


def invoke(prefix, quote='"'):
    def make(name, **args):
        return f"<{prefix}invoke name={quote}{name}{quote}>\n" + "".join(
            f"<{prefix}parameter name={quote}{k}{quote}>{v}</{prefix}parameter>\n" for k, v in args.items()) + f"</{prefix}invoke>"
    return make


tag_family("minimax_m2", invoke(""), ("<minimax:tool_call>\n", "\n</minimax:tool_call>"), mark="<minimax:tool_call>")
case("minimax_m2", invoke("", "")("get_weather", city="Rome", days="2"), *call())
tag_family("glimmer", invoke("atem:"), ("<atem:function_calls>\n", "\n</atem:function_calls>"))


def minicpm(name, **args):
    return f'<function name="{name}">' + "".join(f'<param name="{k}">{v}</param>' for k, v in args.items()) + "</function>"


tag_family("minicpm_5", minicpm, glue="\n")
case("minicpm_5", minicpm("note", text="<![CDATA[a < b && c\n]]>"), *call(json.dumps({"text": "a < b && c\n"}), "note"))
case("minicpm_5", minicpm("note", text="a &lt; b &amp;&amp; c"), *call(json.dumps({"text": "a < b && c"}), "note"))
D = f"{F}DSML{F}"
for fmt, section in (("deepseek_v3_2", "function_calls"), ("deepseek_v4", "tool_calls")):
    def dsml(name, **args):
        return f'<{D}invoke name="{name}">\n' + "".join(
            f'<{D}parameter name="{k}" string="{"true" if k in ("city", "text") else "false"}">{v}</{D}parameter>\n' for k, v in args.items()) + f"</{D}invoke>"
    one = f"<{D}{section}>\n" + dsml("get_weather", city="Rome", days="2") + f"\n</{D}{section}>"
    family(fmt, one, f"<{D}{section}>\n" + dsml("get_weather", city="Rome", days="2") + "\n" + dsml("get_weather", city="Oslo", days="3") + f"\n</{D}{section}>",
           f"<{D}{section}>\n" + dsml("ping") + f"\n</{D}{section}>", f"<{D}{section}>")
    case(fmt, dsml("note", text="2", other='{"a": [1]}', ratio="-1e3"), *call('{"text": "2", "other": {"a": [1]}, "ratio": -1e3}', "note"))
M = "]<]minimax[>["


def m3(name, **args):
    return f'{M}<invoke name="{name}">' + "".join(f"{M}<{k}>{v}{M}</{k}>" for k, v in args.items()) + f"{M}</invoke>"


family("minimax_m3", f"{M}<tool_call>\n" + m3("get_weather", city="Rome", days="2") + f"\n{M}</tool_call>",
       f"{M}<tool_call>\n" + m3("get_weather", city="Rome", days="2") + "\n" + m3("get_weather", city="Oslo", days="3") + f"\n{M}</tool_call>",
       f"{M}<tool_call>\n" + m3("ping") + f"\n{M}</tool_call>")
case("minimax_m3", m3("note", tags=f"{M}<item>a{M}</item>{M}<item>2{M}</item>", deep=f"{M}<k>{M}<z>true{M}</z>{M}</k>{M}<s>x y{M}</s>", text="<b>"),
     *call('{"tags": ["a", 2], "deep": {"k": {"z": true}, "s": "x y"}, "text": "<b>"}', "note"))
# ---- Gemma
for fmt, o, e, q in (("gemma_4", "<|tool_call>", "<tool_call|>", '<|"|>'), ("functiongemma", "<start_function_call>", "<end_function_call>", "<escape>")):
    one = f"{o}call:get_weather{{city:{q}Rome{q},days:2}}{e}"
    case(fmt, one, *call('{"city":"Rome","days":2}'))
    case(fmt, one + one, *call('{"city":"Rome","days":2}'), *call('{"city":"Rome","days":2}'))
    case(fmt, f"{o}call:ping{{}}{e}", *call("{}", "ping"))
    case(fmt, f"{o}call:other{{}}{e}", ("text", f"{o}call:other{{}}{e}"))
    case(fmt, f"{o}call:note{{text:{q}a \"b\" {{,}} \\ <x{q},tags:[{q}a{q},1,true],deep:{{k:{{z:-1.5}}}},flag:false}}{e}",
         *call(r'{"text":"a \"b\" {,} \\ <x","tags":["a",1,true],"deep":{"k":{"z":-1.5}},"flag":false}', "note"))
case("gemma_4", '<|channel>thought\nHm.<channel|>Hello.', ("think", "Hm."), ("text", "Hello."), thinks=True)
case("gemma_4", '<|tool_call>call:get_weather{city:<|"|>Ro', ("call", "get_weather"), ("args", '{"city":"Ro'), ("cut",), cut=True)
# ---- gpt-oss: headers
HARMONY = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"
case("harmony", HARMONY + "<|channel|>final<|message|>Hello.<|return|>", ("think", "Hm."), ("text", "Hello."), thinks=True)
case("harmony", HARMONY + f"<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{ROME}<|call|>", ("think", "Hm."), *call(), thinks=True)
case("harmony", f" to=functions.get_weather<|channel|>commentary json<|message|>{ROME}<|call|>", *call(), thinks=True)
case("harmony", f"<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{ROME}<|call|>"
     f"<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{OSLO}<|call|>", ("text", "I look."), *TWO, thinks=True)
case("harmony", "<|channel|>commentary to=functions.ping <|message|><|call|>", *call("{}", "ping"), thinks=True)
case("harmony", "<|channel|>commentary to=functions.nothing <|message|>{}<|call|>", ("text", "{}"), thinks=True)
case("harmony", "<|channel|>commentary to=functions.get_weather <|message|>{\"city\": \"Ro", ("call", "get_weather"), ("args", '{"city": "Ro'), ("cut",), thinks=True, cut=True)
case("harmony", "No header.", ("text", "No header."), thinks=True)

pathlib.Path(__file__).with_suffix(".json").write_text("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")
print(len(cases), "vectors")
