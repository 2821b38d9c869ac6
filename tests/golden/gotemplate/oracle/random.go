// SPDX-License-Identifier: MIT

package main

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// The data of the bare language: every kind of JSON value, under names that the generator knows.
const data = `{"s": "hi", "e": "", "u": "héé<&>\"'\\ 世\n", "n": 3, "z": 0, "f": 2.5, "big": 1e21, "neg": -7, "t": true, "no": false,
"nil": null, "l": [1, "two", null, [3, 4], {"k": "v"}], "el": [], "m": {"b": 1, "a": "x", "c": {"d": [5, 6]}, "null": null},
"em": {}, "words": ["alpha", "beta", "gamma"], "Deep": {"A": {"B": {"C": "end"}}}, "str9": "😀x", "long": 1234567.125, "i53": 9007199254740991}`

type gen struct {
	*rand.Rand
	isChat bool     // names of Ollama's variables instead of the data's
	vars   []string // visible
	loops  int
	depth  int
}

func (g *gen) pick(of ...string) string { return of[g.IntN(len(of))] }

func (g *gen) one(n int) bool { return g.IntN(n) == 0 }

// chatField: mostly what is there, sometimes what is not.
func (g *gen) chatField() string {
	top := []string{".Messages", ".Messages", ".System", ".Tools", ".Think", ".ThinkLevel", ".IsThinkSet", ".Response", ".Prompt"}
	item := []string{".Role", ".Content", ".Thinking", ".ToolCalls", ".ToolName", ".ToolCallID", ".Images", ".Function", ".Function.Name",
		".Function.Arguments", ".Function.Parameters", ".Function.Parameters.Properties", ".Function.Parameters.Required", ".Type",
		".Description", ".Enum", ".Items", ".Properties", ".Required", ".AnyOf", ".Function.Arguments.city", ".Function.Description",
		".ToTypeScriptType", ".String", ".ID", ".Function.Index", ".Properties.All", ".Properties.ToMap"}
	if g.loops > 0 && !g.one(4) {
		return item[g.IntN(len(item))]
	}
	return g.pick("$", "", "") + top[g.IntN(len(top))]
}

func (g *gen) field() string {
	if g.isChat {
		return g.chatField()
	}
	f := "." + g.pick("s", "e", "u", "n", "z", "f", "big", "neg", "t", "no", "nil", "l", "el", "m", "em", "words", "Deep", "missing", "str9",
		"long", "i53", "a", "k")
	for g.one(4) {
		f += "." + g.pick("A", "B", "C", "a", "b", "c", "d", "x", "null")
	}
	return f
}

func (g *gen) number() string {
	return g.pick("0", "1", "2", "3", "-1", "+4", "10", "0x1F", "0b101", "0o17", "017", "1_000", "1e3", "1.5", "-2.25", ".5", "0x1p4", "1e21", "1e-7",
		"0.1", "1000", "1000000.0", "'a'", `'\n'`, `'世'`, `'\x41'`, "2i", "1+2i", "1e400", "089", "1__0", "0x",
		"99999999999999999999", "1.", "5e-324", "1.7976931348623157e308", "0x1.8p1", "1_0.2_5")
}

func (g *gen) quoted() string {
	return g.pick(`""`, `"a"`, `"hello"`, `"x\ty\n"`, `"\u00e9\U0001F600"`, `"\xff\x41"`, `"\101"`, "`raw \\n`", `"it's <b>&"`, `"%"`, `"two words"`,
		`"\q"`, "`a\"b`", `"héé"`, `"="`)
}

func (g *gen) variable() string {
	if g.isChat && (len(g.vars) == 0 || g.one(4)) {
		return "$" + g.pick(".Messages", ".Tools", ".System", ".Think")
	}
	if len(g.vars) == 0 || g.one(6) {
		return g.pick("$", "$.s", "$.m.a", "$undeclared")
	}
	v := g.vars[g.IntN(len(g.vars))]
	if g.one(5) {
		v += "." + g.pick("a", "b", "A", "x", "Content", "Role", "Function")
	}
	return v
}

func (g *gen) operand() string {
	g.depth++
	defer func() { g.depth-- }()
	switch g.IntN(16) {
	case 0, 1, 2, 3, 4:
		return g.field()
	case 5, 6:
		return g.number()
	case 7, 8:
		return g.quoted()
	case 9, 10:
		return g.variable()
	case 11:
		return "."
	case 12:
		return g.pick("true", "false", "nil")
	default:
		if g.depth > 3 {
			return g.field()
		}
		p := "(" + g.pipeline() + ")"
		if g.one(5) {
			p += "." + g.pick("a", "b", "A", "d")
		}
		return p
	}
}

func (g *gen) format() string {
	var b strings.Builder
	b.WriteByte('"')
	for n := 1 + g.IntN(3); n > 0; n-- {
		b.WriteString(g.pick("", "x", " ", "é", "=", ": "))
		b.WriteByte('%')
		for g.one(3) {
			b.WriteString(g.pick("+", "-", "#", "0", " "))
		}
		if g.one(10) {
			b.WriteString(g.pick("[1]", "[2]", "[0]", "[x]", "[3"))
		}
		if g.one(3) {
			b.WriteString(g.pick("5", "10", "1", "*", "20", "12"))
		}
		if g.one(4) {
			b.WriteString(g.pick(".", ".2", ".0", ".5", ".*", ".10"))
		}
		if g.one(12) {
			b.WriteString(g.pick("[1]", "[2]"))
		}
		b.WriteString(g.pick("v", "v", "v", "s", "s", "d", "d", "q", "f", "g", "e", "x", "X", "t", "T", "c", "U", "b", "o", "O", "G", "E", "F", "%", "z", "w",
			"é", "v"))
	}
	if g.one(10) {
		b.WriteByte('%')
	}
	b.WriteByte('"')
	return b.String()
}

// large integers are for printing and comparing only: a range over one would not end.
func (g *gen) largeArgs(least, most int) string {
	if g.one(8) {
		return " " + g.pick("123456789", "100000", "9223372036854775807", "-9223372036854775808", "0x7fff_ffff") + g.args(0, most-1)
	}
	return g.args(least, most)
}

func (g *gen) args(least, most int) string {
	var b strings.Builder
	for n := least + g.IntN(most-least+1); n > 0; n-- {
		b.WriteString(g.pick(" ", " ", "  "))
		b.WriteString(g.operand())
	}
	return b.String()
}

func (g *gen) list() string {
	if g.isChat {
		return g.pick(".Messages", ".Tools", "$.Messages", "$.Tools", ".ToolCalls", ".Content", g.operand())
	}
	return g.pick(".l", ".words", ".s", ".u", ".m", ".m.c", ".str9", ".el", ".e", g.operand())
}

func (g *gen) command() string {
	switch g.IntN(24) {
	case 0, 1, 2, 3:
		return "printf " + g.format() + g.largeArgs(0, 3)
	case 4:
		return "print" + g.largeArgs(0, 3)
	case 5:
		return "println" + g.args(0, 3)
	case 6, 7:
		return "index " + g.list() + g.args(0, 2)
	case 8:
		return "slice " + g.list() + " " + g.pick("0", "1", "2", "") + " " + g.pick("", "1", "2", "3", "9")
	case 9:
		return "len " + g.list()
	case 10, 11, 12:
		return g.pick("eq", "ne", "lt", "le", "gt", "ge") + g.largeArgs(1, 3)
	case 13, 14:
		return g.pick("and", "or") + g.args(0, 3)
	case 15:
		return "not" + g.args(0, 2)
	case 16:
		return g.pick("html", "js", "urlquery") + g.args(0, 2)
	case 17:
		return "json" + g.args(0, 1)
	case 18:
		return g.pick("currentDate", "yesterdayDate", "toTypeScriptType", "call", "nosuch", "block", "end") + g.args(0, 1)
	case 19:
		return g.operand() + g.args(0, 1)
	default:
		return g.operand()
	}
}

func (g *gen) pipeline() string {
	p := g.command()
	for g.one(5) {
		p += g.pick(" | ", "|", " |") + g.command()
	}
	return p
}

func (g *gen) open() string  { return g.pick("{{", "{{", "{{ ", "{{- ", "{{-  ") }
func (g *gen) close() string { return g.pick("}}", "}}", " }}", " -}}", "  -}}") }

func (g *gen) action(body string) string { return g.open() + body + g.close() }

func (g *gen) declare() string {
	v := g.pick("$a", "$b", "$c", "$é")
	if g.one(2) {
		return g.variable() + g.pick(" = ", "= ", " =") + g.pipeline()
	}
	s := v + g.pick(" := ", ":=", " :=") + g.pipeline()
	g.vars = append(g.vars, v)
	return s
}

func (g *gen) text() string {
	return g.pick("", "a", " b ", "\n", "  \n  ", "é", "{", "}", "x\n  ", "}} ", "\t", "-")
}

func (g *gen) rangeHead() string {
	over := g.field()
	if g.isChat && g.loops == 0 {
		over = g.pick(".Messages", ".Messages", ".Tools", over)
	} else if g.isChat {
		over = g.pick(".ToolCalls", ".Function.Arguments", ".Function.Parameters.Properties", ".Content", "$.Messages", "$.Tools", over)
	} else {
		over = g.pick(".l", ".m", ".words", "3", ".el", ".em", ".n", ".s", ".nil", "2", "(len .s)", "(slice .words 1)", g.operand())
	}
	switch g.IntN(5) {
	case 0:
		g.vars = append(g.vars, "$i", "$v")
		return g.pick("$i, $v := ", "$i,$v:=", "$i , $v := ") + over
	case 1:
		g.vars = append(g.vars, "$v")
		return "$v := " + over
	case 2:
		if len(g.vars) > 0 {
			return g.vars[g.IntN(len(g.vars))] + " = " + over
		}
	}
	return over
}

func (g *gen) branch() string {
	kept := len(g.vars)
	defer func() { g.vars = g.vars[:kept] }()
	word := g.pick("if", "if", "with", "range", "range")
	head := ""
	switch {
	case word == "range":
		head = g.rangeHead()
	case g.one(4):
		head = g.declare()
	default:
		head = g.pipeline()
	}
	s := g.action(word + " " + head)
	if word == "range" {
		g.loops++
	}
	s += g.list3()
	if word == "range" {
		g.loops--
	}
	for word != "range" && g.one(4) {
		s += g.action("else "+word+" "+g.pipeline()) + g.list3()
	}
	if g.one(3) {
		s += g.action("else") + g.list3()
	}
	return s + g.action(g.pick("end", "end", " end "))
}

func (g *gen) statement() string {
	g.depth++
	defer func() { g.depth-- }()
	n := g.IntN(20)
	switch {
	case n < 6:
		return g.text() + g.action(g.pipeline())
	case n < 8:
		return g.action(g.declare())
	case n < 12 && g.depth < 4:
		return g.branch()
	case n == 12:
		return g.open() + g.pick("/* comment */", "/*\n*/", "/* x") + g.close()
	case n == 13 && g.loops > 0:
		return g.action("if "+g.operand()) + g.action(g.pick("break", "continue")) + g.action("end")
	case n == 14:
		return g.action(g.pick(`template "t"`, `template "t" .`, `template "t" .m`, `template "none" .`, `template "r" .n`, "break", "continue"))
	case n == 15 && g.depth < 3:
		return g.action(`block "blk`+g.pick("1", "2", "3")+`" `+g.pick(".", ".m", ".s")) + g.text() + g.action("end")
	case n == 16 && g.one(20):
		return g.pick("{{", "{{}}", "{{ | }}", "{{ .s | }}", "{{end}}", "{{else}}", "{{ .s .n }}", "{{ (.s }}", "{{ \"x }}", "{{ 1a }}", "{{ .s) }}")
	default:
		return g.text() + g.action(g.operand())
	}
}

func (g *gen) list3() string {
	kept := len(g.vars)
	defer func() { g.vars = g.vars[:kept] }()
	var b strings.Builder
	for n := g.IntN(4); n > 0; n-- {
		b.WriteString(g.statement())
	}
	return b.String()
}

func (g *gen) template() string {
	var b strings.Builder
	if g.one(3) {
		b.WriteString(`{{define "t"}}<{{.}}>{{end}}`)
	}
	if g.one(6) {
		b.WriteString(`{{define "r"}}{{if gt . 0.0}}{{.}}{{template "t" .}}{{end}}{{end}}`)
	}
	for n := 1 + g.IntN(4); n > 0; n-- {
		b.WriteString(g.statement())
	}
	b.WriteString(g.text())
	return b.String()
}

// random templates, more of them right than wrong: of those that fail, one in twenty is kept.
func random(f *File, seed uint64, n int) []*Row {
	g := &gen{Rand: rand.New(rand.NewPCG(seed, 10))}
	var rows []*Row
	seen := map[string]bool{}
	for len(rows) < n {
		g.vars, g.loops, g.depth = nil, 0, 0
		r := &Row{Template: g.template()}
		if seen[text(r.Template)] {
			continue
		}
		seen[text(r.Template)] = true
		r.run(f)
		usable := r.Error == "" || g.one(20)
		if r.Output != nil && (strings.Contains(*r.Output, "0xc") || len(*r.Output) > 20000) {
			usable = false // addresses differ from run to run
		}
		if usable {
			rows = append(rows, r)
		}
	}
	return rows
}

// randomChats are random templates with the requests of a file.
func randomChats(f *File, seed uint64, n int) []*Row {
	g := &gen{Rand: rand.New(rand.NewPCG(seed, 11)), isChat: true}
	var names []string
	for name := range f.Requests {
		names = append(names, name)
	}
	slices.Sort(names)
	var rows []*Row
	for len(rows) < n {
		g.vars, g.loops, g.depth = nil, 0, 0
		r := &Row{Template: g.template(), With: names[g.IntN(len(names))]}
		r.run(f)
		again := *r
		again.Output = nil
		again.run(f) // addresses differ from run to run
		isPlain := r.Output != nil && again.Output != nil && *again.Output == *r.Output && len(*r.Output) < 20000
		if isPlain || r.Error != "" && g.one(20) {
			rows = append(rows, r)
		}
	}
	return rows
}
