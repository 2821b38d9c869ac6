#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""models.json: templates in the style of well-known Ollama models, each with every conversation."""
import json

T = {}
T["default"] = "{{ .Prompt }}"
T["alpaca"] = "{{ if .System }}{{ .System }}\n\n{{ end }}{{ if .Prompt }}### Instruction:\n{{ .Prompt }}\n\n{{ end }}### Response:\n"
T["chatml-turns"] = ("{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}{{ if .Prompt }}<|im_start|>user\n{{ .Prompt }}<|im_end|>\n"
                     "{{ end }}<|im_start|>assistant\n{{ .Response }}<|im_end|>\n")
T["llama2-turns"] = "[INST] {{ if .System }}<<SYS>>\n{{ .System }}\n<</SYS>>\n\n{{ end }}{{ .Prompt }} [/INST]{{ .Response }}</s>\n"
T["vicuna-turns"] = "{{ .System }}\nUSER: {{ .Prompt }}\nASSISTANT: "
T["response-in-branch"] = "{{ if .Prompt }}U: {{ .Prompt }}\nA: {{ .Response }}{{ printf \"%s\" \"!\" }} tail\n{{ end }}end"
T["response-in-pipe"] = "{{ .Prompt }}>{{ printf \"<%s>%s\" .Response .Prompt }} rest {{ .System }}"
T["chatml"] = "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
T["zephyr"] = "{{- range .Messages }}<|{{ .Role }}|>\n{{ .Content }}<|endoftext|>\n{{ end }}<|assistant|>\n"
T["gemma"] = """{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 }}
{{- if or (eq .Role "user") (eq .Role "system") }}<start_of_turn>user
{{ .Content }}<end_of_turn>
{{ if $last }}<start_of_turn>model
{{ end }}
{{- else if eq .Role "assistant" }}<start_of_turn>model
{{ .Content }}{{ if not $last }}<end_of_turn>
{{ end }}
{{- end }}
{{- end }}"""
T["gemma3"] = """{{- range $i, $_ := .Messages }}
{{- if eq .Role "user" }}<start_of_turn>user
{{- if and (eq $i 1) $.System }}
{{ $.System }}
{{ end }}
{{ .Content }}<end_of_turn>
{{ else if eq .Role "assistant" }}<start_of_turn>model
{{ .Content }}<end_of_turn>
{{ end }}
{{- end }}<start_of_turn>model
"""
T["llama2"] = """{{- $system := "" }}[INST] {{ range .Messages }}
{{- if eq .Role "system" }}
{{- if $system }}{{ $system = printf "%s\\n\\n%s" $system .Content }}{{ else }}{{ $system = .Content }}{{ end }}
{{- else if eq .Role "user" }}{{ if $system }}<<SYS>>
{{ $system }}
<</SYS>>

{{ $system = "" }}{{ end }}{{ .Content }} [/INST]
{{- else if eq .Role "assistant" }} {{ .Content }}</s><s>[INST] {{ end }}
{{- end }}"""
T["llama3-tools"] = """{{- if or .System .Tools }}<|start_header_id|>system<|end_header_id|>
{{- if .System }}

{{ .System }}
{{- end }}
{{- if .Tools }}

Cutting knowledge date: December 2023. Today is {{ currentDate }}. Answer a tool call response in plain words.
{{- end }}<|eot_id|>
{{- end }}
{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 }}
{{- if eq .Role "user" }}<|start_header_id|>user<|end_header_id|>
{{- if and $.Tools $last }}

Functions that may help:

{{ range $.Tools }}
{{- . }}
{{ end }}
Question: {{ .Content }}<|eot_id|>
{{- else }}

{{ .Content }}<|eot_id|>
{{- end }}{{ if $last }}<|start_header_id|>assistant<|end_header_id|>

{{ end }}
{{- else if eq .Role "assistant" }}<|start_header_id|>assistant<|end_header_id|>
{{- if .ToolCalls }}
{{ range .ToolCalls }}
{"name": "{{ .Function.Name }}", "parameters": {{ .Function.Arguments }}}{{ end }}
{{- else }}

{{ .Content }}
{{- end }}{{ if not $last }}<|eot_id|>{{ end }}
{{- else if eq .Role "tool" }}<|start_header_id|>ipython<|end_header_id|>

{{ .Content }}<|eot_id|>{{ if $last }}<|start_header_id|>assistant<|end_header_id|>

{{ end }}
{{- end }}
{{- end }}"""
T["mistral-tools"] = """{{- range $index, $_ := .Messages }}
{{- if eq .Role "user" }}
{{- if and (le (len (slice $.Messages $index)) 2) $.Tools }}[AVAILABLE_TOOLS] {{ $.Tools }}[/AVAILABLE_TOOLS]
{{- end }}[INST] {{ if and (eq (len (slice $.Messages $index)) 1) $.System }}{{ $.System }}

{{ end }}{{ .Content }}[/INST]
{{- else if eq .Role "assistant" }}
{{- if .Content }} {{ .Content }}
{{- if not (eq (len (slice $.Messages $index)) 1) }}</s>
{{- end }}
{{- else if .ToolCalls }}[TOOL_CALLS] [
{{- range $i, $c := .ToolCalls }}{{ if $i }}, {{ end }}{"name": "{{ $c.Function.Name }}", "arguments": {{ json $c.Function.Arguments }}}
{{- end }}]</s>
{{- end }}
{{- else if eq .Role "tool" }}[TOOL_RESULTS] {"content": {{ .Content }}, "call_id": "{{ .ToolCallID }}"}[/TOOL_RESULTS]
{{- end }}
{{- end }}"""
T["qwen2.5-tools"] = """{{- if .Suffix }}<|fim_prefix|>{{ .Prompt }}<|fim_suffix|>{{ .Suffix }}<|fim_middle|>
{{- else if .Messages }}
{{- if or .System .Tools }}<|im_start|>system
{{- if .System }}
{{ .System }}
{{- end }}
{{- if .Tools }}

# Tools

Call functions with:
<tools>
{{- range .Tools }}
{"type": "function", "function": {{ .Function }}}
{{- end }}
</tools>
{{- end }}<|im_end|>
{{ end }}
{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 -}}
{{- if eq .Role "user" }}<|im_start|>user
{{ .Content }}<|im_end|>
{{ else if eq .Role "assistant" }}<|im_start|>assistant
{{ if .Content }}{{ .Content }}
{{- else if .ToolCalls }}<tool_call>
{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}
{{ end }}</tool_call>
{{- end }}{{ if not $last }}<|im_end|>
{{ end }}
{{- else if eq .Role "tool" }}<|im_start|>user
<tool_response>
{{ .Content }}
</tool_response><|im_end|>
{{ end }}
{{- if and (ne .Role "assistant") $last }}<|im_start|>assistant
{{ end }}
{{- end }}
{{- else }}
{{- if .System }}<|im_start|>system
{{ .System }}<|im_end|>
{{ end }}{{ if .Prompt }}<|im_start|>user
{{ .Prompt }}<|im_end|>
{{ end }}<|im_start|>assistant
{{ end }}{{ .Response }}{{ if .Response }}<|im_end|>{{ end }}"""
T["phi3"] = """{{ if .System }}<|system|>
{{ .System }}<|end|>
{{ end }}{{ if .Prompt }}<|user|>
{{ .Prompt }}<|end|>
{{ end }}<|assistant|>
{{ .Response }}<|end|>
"""
T["deepseek-r1"] = """{{- if .System }}{{ .System }}{{ end }}
{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 }}
{{- if eq .Role "user" }}<|User|>{{ .Content }}
{{- else if eq .Role "assistant" }}<|Assistant|>
{{- if and $.IsThinkSet (and $last .Thinking) -}}
<think>
{{ .Thinking }}
</think>
{{- end }}{{ .Content }}{{- if not $last }}<|end_of_sentence|>{{- end }}
{{- end }}
{{- if and $last (ne .Role "assistant") }}<|Assistant|>
{{- if and $.IsThinkSet (not $.Think) -}}
<think>

</think>

{{ end }}
{{- end -}}
{{- end }}"""
T["harmony"] = """<|start|>system<|message|>You are a large language model.
Knowledge cutoff: 2024-06
Current date: {{ currentDate }} (yesterday {{ yesterdayDate }})
{{- if and .IsThinkSet .Think (ne .ThinkLevel "") }}

Reasoning: {{ .ThinkLevel }}
{{- else if or (not .IsThinkSet) (and .IsThinkSet .Think) }}

Reasoning: medium
{{- end }}<|end|>
{{- if or .Tools .System }}<|start|>developer<|message|>
{{- if .System }}# Instructions

{{ .System }}
{{ end }}
{{- if .Tools }}# Tools

namespace functions {
{{ range .Tools }}
{{- if .Function.Description }}// {{ .Function.Description }}
{{ end }}type {{ .Function.Name }} = {{ if and .Function.Parameters.Properties (gt (len .Function.Parameters.Properties) 0) }}(_: {
{{- range $name, $prop := .Function.Parameters.Properties }}
{{- if $prop.Description }}
  // {{ $prop.Description }}
{{- end }}
  {{ $name }}
  {{- $required := false }}
  {{- range $.Tools }}{{ range .Function.Parameters.Required }}{{ if eq . $name }}{{ $required = true }}{{ end }}{{ end }}{{ end }}
  {{- if not $required }}?{{ end }}: {{ toTypeScriptType $prop }} {{ $prop.ToTypeScriptType }} {{ $prop.Type }} {{ json $prop }}{{ if $prop.Enum }} {{ $prop.Enum }}{{ end }},
{{- end }}
}) => any;
{{- else }}() => any;
{{- end }}

{{ end }}} // namespace functions{{ end }}<|end|>
{{- end }}
{{- $lastUser := -1 }}{{ range $i, $m := .Messages }}{{ if eq $m.Role "user" }}{{ $lastUser = $i }}{{ end }}{{ end }}
{{- range $i, $m := .Messages }}
{{- if eq $m.Role "user" }}<|start|>user<|message|>{{ $m.Content }}<|end|>
{{- else if eq $m.Role "assistant" }}
{{- if and $m.Thinking (gt $i $lastUser) }}<|start|>assistant<|channel|>analysis<|message|>{{ $m.Thinking }}<|end|>{{ end }}
{{- if gt (len $m.Content) 0 }}<|start|>assistant<|channel|>final<|message|>{{ $m.Content }}<|end|>{{ end }}
{{- range $j, $c := $m.ToolCalls }}<|start|>assistant<|channel|>commentary to=functions.{{ $c.Function.Name }} <|constrain|>json<|message|>{{ $c.Function.Arguments }}<|call|>{{ end }}
{{- else if eq $m.Role "tool" }}<|start|>{{ if $m.ToolName }}functions.{{ $m.ToolName }}{{ else }}tool{{ end }} to=assistant<|message|>{{ $m.Content }}<|end|>
{{- end }}
{{- end }}<|start|>assistant"""
T["qwen3"] = """{{- $lastUserIdx := -1 -}}
{{- range $idx, $msg := .Messages -}}
{{- if eq $msg.Role "user" }}{{ $lastUserIdx = $idx }}{{ end -}}
{{- end }}
{{- if or .System .Tools }}<|im_start|>system
{{ if .System }}{{ .System }}

{{ end }}
{{- if .Tools }}<tools>
{{- range .Tools }}
{{ json . }}
{{- end }}
</tools>
{{- end -}}
<|im_end|>
{{ end }}
{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 -}}
{{- if eq .Role "user" }}<|im_start|>user
{{ .Content }}
{{- if and $.IsThinkSet (eq $i $lastUserIdx) }}{{ if $.Think -}}{{- " " }}/think{{- else -}}{{- " " }}/no_think{{- end -}}{{ end }}<|im_end|>
{{ else if eq .Role "assistant" }}<|im_start|>assistant
{{ if (and $.IsThinkSet (and .Thinking (or $last (gt $i $lastUserIdx)))) -}}
<think>{{ .Thinking }}</think>
{{ end -}}
{{ if .Content }}{{ .Content }}{{ end }}
{{- range .ToolCalls }}
<tool_call>
{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}
</tool_call>
{{- end }}{{ if not $last }}<|im_end|>
{{ end }}
{{- else if eq .Role "tool" }}<|im_start|>user
<tool_response>
{{ .Content }}
</tool_response><|im_end|>
{{ end }}
{{- if and (ne .Role "assistant") $last }}<|im_start|>assistant
{{ if and $.IsThinkSet (not $.Think) -}}
<think>

</think>

{{ end -}}
{{ end }}
{{- end }}"""
T["fill"] = "<PRE> {{ .Prompt }} <SUF>{{ .Suffix }} <MID>"
T["everything"] = """{{ .Tools }}|{{ json .Tools }}|{{ range .Tools }}{{ . }}|{{ .Function }}|{{ .Function.Parameters }}|{{ .Function.Parameters.Properties }}|{{ json .Function.Parameters.Properties }}
{{- range $k, $v := .Function.Parameters.Properties }}
{{ $k }} {{ $v.Type }} {{ printf "%v %s %q %T" $v.Type $v.Type $v.Type $v }} {{ $v.Items }} {{ $v.Enum }} {{ $v.Required }} {{ json $v.Properties }} {{ toTypeScriptType $v }}
{{- if $v.Properties }}{{ range $p, $q := $v.Properties.All }} {{ $p }}:{{ $q.ToTypeScriptType }}{{ end }} {{ $v.Properties.Len }} {{ range $p, $q := $v.Properties.ToMap }}{{ $p }}{{ end }}{{ end }}
{{- end }}{{ end }}
{{ range .Messages }}{{ json . }} {{ .Role }} {{ len .ToolCalls }} {{ len .Images }} {{ range .ToolCalls }}{{ . }} {{ json . }} {{ .ID }} {{ .Function.Index }} {{ printf "%v|%s|%q|%d|%T" .Function.Arguments .Function.Arguments .Function.Arguments .Function.Arguments .Function.Arguments }}
{{- range $k, $v := .Function.Arguments }} {{ $k }}={{ $v }}{{ end }} {{ .Function.Arguments.city }} {{ .Function.Arguments.none }}{{ end }}
{{ end }}{{ printf "%T %T" .Messages .Tools }}{{ .System | printf "%q" }}"""

WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Weather <now> & later", "parameters": {
    "type": "object", "required": ["city"], "properties": {
        "days": {"type": "integer", "description": "how many"}, "city": {"type": "string", "enum": ["Rome", "Oslo"]},
        "unit": {"type": ["string", "null"]}, "tags": {"type": "array", "items": {"type": "string"}},
        "where": {"type": "object", "properties": {"lon": {"type": "number"}, "lat": {"type": "number"}}, "required": ["lat", "lon"]},
        "either": {"anyOf": [{"type": "string"}, {"type": "boolean"}]}, "free": {"description": "any"}}}}}
TIME = {"type": "function", "function": {"name": "get_time", "description": "", "parameters": {"type": "object", "properties": {}}}}


def m(role, content, **more):
    return dict(role=role, content=content, **more)


def call(name, arguments, **more):
    return dict(function=dict(name=name, arguments=arguments), **more)


C = {}
C["none"] = dict(messages=[])
C["user"] = dict(messages=[m("user", "Why is the sky blue?")])
C["system"] = dict(messages=[m("system", "Be brief."), m("user", "Hi <|im_end|> é\n")])
C["turns"] = dict(messages=[m("system", "Be brief."), m("user", "One?"), m("assistant", "1"), m("user", "Two?"), m("assistant", "2"), m("user", "Three?")])
C["joined"] = dict(messages=[m("system", "A."), m("system", "B."), m("user", "x"), m("user", "y"), m("assistant", "z"), m("assistant", "w"), m("user", "q")])
C["system-inside"] = dict(messages=[m("user", "x"), m("assistant", "y"), m("system", "now French"), m("user", "z")])
C["system-last"] = dict(messages=[m("user", "x"), m("system", "end")])
C["prefill"] = dict(messages=[m("user", "Count."), m("assistant", "One, two,")])
C["empty-texts"] = dict(messages=[m("system", ""), m("user", ""), m("assistant", ""), m("user", "a")])
C["think"] = dict(messages=[m("user", "a"), m("assistant", "b", thinking="hmm"), m("user", "c")], think=True)
C["no-think"] = dict(messages=[m("user", "a"), m("assistant", "b", thinking="hmm")], think=False)
C["think-high"] = dict(messages=[m("system", "s"), m("user", "a")], think=True, level="high")
C["tools"] = dict(messages=[m("system", "Use tools."), m("user", "Weather?")], tools=[WEATHER, TIME])
C["tool-round"] = dict(tools=[WEATHER], messages=[
    m("user", "Rome and Oslo?"),
    m("assistant", "", tool_calls=[call("get_weather", {"days": 2, "city": "Rome", "f": 1.5, "list": [1, None], "big": 10000000}, id="c1"),
                                   call("get_weather", {"city": "Oslo <&>"}, id="c2")]),
    m("tool", "sunny", tool_name="get_weather", tool_call_id="c1"), m("tool", "snow", tool_name="get_weather", tool_call_id="c2"),
    m("assistant", "Sun in Rome."), m("user", "Thanks")])
C["tool-last"] = dict(tools=[TIME], messages=[m("user", "t?"), m("assistant", "let me see", tool_calls=[call("get_time", {})]),
                                              m("tool", "12:00", tool_name="get_time")])
C["fill"] = dict(prompt="def f(", suffix="  return x", messages=[m("user", "ignored")])

print(json.dumps(dict(
    templates={name: text.split("\n") if "\n" in text else text for name, text in T.items()}, requests=C,
    rows=[{"of": t, "with": c} for t in T for c in C]), ensure_ascii=False))
