// SPDX-License-Identifier: MIT

// Package template renders as Ollama does: what its templates see, and the two ways of rendering them.
package template

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/ollama/ollama/api"
)

type templateTools []templateTool

type templateTool struct {
	Type     string               `json:"type"`
	Items    any                  `json:"items,omitempty"`
	Function templateToolFunction `json:"function"`
}

type templateToolFunction struct {
	Name        string                         `json:"name"`
	Description string                         `json:"description"`
	Parameters  templateToolFunctionParameters `json:"parameters"`
}

type templateToolFunctionParameters struct {
	Type       string             `json:"type"`
	Defs       any                `json:"$defs,omitempty"`
	Items      any                `json:"items,omitempty"`
	Required   []string           `json:"required,omitempty"`
	Properties templateProperties `json:"properties"`
}

type templateProperties map[string]api.ToolProperty
type templateArgs map[string]any

type templateToolCallFunction struct {
	Index     int
	Name      string
	Arguments templateArgs
}

type templateToolCall struct {
	ID       string
	Function templateToolCallFunction
}

type templateMessage struct {
	Role       string
	Content    string
	Thinking   string
	Images     []api.ImageData
	ToolCalls  []templateToolCall
	ToolName   string
	ToolCallID string
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func (t templateTools) String() string { return text(t) }
func (t templateTool) String() string  { return text(t) }
func (t templateArgs) String() string {
	if t == nil {
		return "{}"
	}
	return text(map[string]any(t))
}
func (t templateProperties) String() string {
	if t == nil {
		return "{}"
	}
	return text(map[string]api.ToolProperty(t))
}

// Message is one of a request.
type Message struct {
	Role       string          `json:"role"`
	Content    string          `json:"content"`
	Thinking   string          `json:"thinking"`
	Images     []api.ImageData `json:"images"`
	ToolName   string          `json:"tool_name"`
	ToolCallID string          `json:"tool_call_id"`
	ToolCalls  []struct {
		ID       string `json:"id"`
		Function struct {
			Index     int            `json:"index"`
			Name      string         `json:"name"`
			Arguments map[string]any `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

// Request is what a rendering is given.
type Request struct {
	Messages []Message     `json:"messages"`
	Tools    templateTools `json:"tools"`
	Prompt   string        `json:"prompt"`
	Suffix   string        `json:"suffix"`
	Think    *bool         `json:"think"`
	Level    *string       `json:"level"`
}

// Funcs are those that Ollama adds.
func Funcs(now time.Time) template.FuncMap {
	return template.FuncMap{
		"json":          func(v any) string { return text(v) },
		"currentDate":   func(...string) string { return now.Format("2006-01-02") },
		"yesterdayDate": func(...string) string { return now.AddDate(0, 0, -1).Format("2006-01-02") },
		"toTypeScriptType": func(v any) string {
			switch p := v.(type) {
			case api.ToolProperty:
				return p.ToTypeScriptType()
			case *api.ToolProperty:
				return p.ToTypeScriptType()
			}
			return "any"
		},
	}
}

// names lists the fields and variables that a tree mentions, in lower case.
func names(n parse.Node, found map[string]bool) {
	add := func(idents []string) {
		for _, s := range idents {
			found[strings.ToLower(s)] = true
		}
	}
	branch := func(b *parse.BranchNode) {
		names(b.Pipe, found)
		names(b.List, found)
		if b.ElseList != nil {
			names(b.ElseList, found)
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, c := range n.Nodes {
			names(c, found)
		}
	case *parse.ActionNode:
		names(n.Pipe, found)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			names(n.Pipe, found)
		}
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			for _, a := range c.Args {
				names(a, found)
			}
		}
	case *parse.ChainNode: // not looked into by Ollama, where (index .Messages 0).Content is no mention
		names(n.Node, found)
	case *parse.FieldNode:
		add(n.Ident)
	case *parse.VariableNode:
		add(n.Ident)
	}
}

// cut drops what stands behind the first .Response.
type cutter struct{ done bool }

func (c *cutter) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	var kept []parse.Node
	for _, n := range l.Nodes {
		if c.done {
			break
		}
		switch n := n.(type) {
		case *parse.IfNode:
			c.list(n.List)
			c.list(n.ElseList)
		case *parse.WithNode:
			c.list(n.List)
			c.list(n.ElseList)
		case *parse.RangeNode:
			c.list(n.List)
			c.list(n.ElseList)
		case *parse.ActionNode:
			if !c.pipe(n.Pipe) {
				continue
			}
		}
		kept = append(kept, n)
	}
	l.Nodes = kept
}

// pipe says whether anything is left of it.
func (c *cutter) pipe(p *parse.PipeNode) bool {
	for _, cmd := range p.Cmds {
		var args []parse.Node
		for _, a := range cmd.Args {
			f, isField := a.(*parse.FieldNode)
			isResponse := isField && slices.Contains(f.Ident, "Response")
			if c.done && !isResponse {
				continue
			}
			if inner, ok := a.(*parse.PipeNode); ok && !c.pipe(inner) {
				continue
			}
			c.done = c.done || isResponse
			args = append(args, a)
		}
		if len(args) == 0 {
			return false
		}
		cmd.Args = args
	}
	return true
}

// collate joins neighbours of one role.
func collate(in []Message) (string, []*templateMessage) {
	var system []string
	var out []*templateMessage
	for _, m := range in {
		if m.Role == "system" {
			system = append(system, m.Content)
		}
		if len(out) > 0 && out[len(out)-1].Role == m.Role && m.Role != "tool" {
			out[len(out)-1].Content += "\n\n" + m.Content
			continue
		}
		t := &templateMessage{Role: m.Role, Content: m.Content, Thinking: m.Thinking, Images: m.Images, ToolName: m.ToolName,
			ToolCallID: m.ToolCallID}
		for _, c := range m.ToolCalls {
			t.ToolCalls = append(t.ToolCalls, templateToolCall{c.ID,
				templateToolCallFunction{c.Function.Index, c.Function.Name, c.Function.Arguments}})
		}
		out = append(out, t)
	}
	return strings.Join(system, "\n\n"), out
}

// Render gives the prompt.
func Render(source string, r Request, now time.Time) (string, error) {
	t, err := template.New("").Option("missingkey=zero").Funcs(Funcs(now)).Parse(source)
	if err != nil {
		return "", err
	}
	found := map[string]bool{}
	for _, one := range t.Templates() {
		names(one.Root, found)
	}
	if !found["messages"] && !found["response"] {
		tail, _ := template.New("").Parse("{{ .Response }}")
		t.Root.Nodes = append(t.Root.Nodes, tail.Root.Nodes...)
	}
	common := map[string]any{"Response": "", "Think": r.Think != nil && *r.Think, "ThinkLevel": "", "IsThinkSet": r.Think != nil}
	if r.Level != nil {
		common["ThinkLevel"] = *r.Level
	} else if r.Think != nil && *r.Think {
		common["ThinkLevel"] = "medium"
	}
	with := func(more map[string]any) map[string]any {
		all := map[string]any{}
		for k, v := range common {
			all[k] = v
		}
		for k, v := range more {
			all[k] = v
		}
		return all
	}
	var b bytes.Buffer
	system, messages := collate(r.Messages)
	if r.Prompt != "" && r.Suffix != "" {
		err = t.Execute(&b, with(map[string]any{"Prompt": r.Prompt, "Suffix": r.Suffix}))
		return b.String(), err
	}
	if found["messages"] {
		err = t.Execute(&b, with(map[string]any{"System": system, "Messages": messages, "Tools": r.Tools}))
		return b.String(), err
	}
	turn := map[string]any{"System": "", "Prompt": "", "Response": ""}
	flush := func(t *template.Template) error {
		err := t.Execute(&b, with(turn))
		turn = map[string]any{"System": "", "Prompt": "", "Response": ""}
		return err
	}
	for _, m := range messages {
		ends := m.Role == "system" && (turn["Prompt"] != "" || turn["Response"] != "") || m.Role == "user" && turn["Response"] != ""
		if ends {
			if err := flush(t); err != nil {
				return "", err
			}
		}
		switch m.Role {
		case "system":
			turn["System"] = m.Content
		case "user":
			turn["Prompt"] = m.Content
		case "assistant":
			turn["Response"] = m.Content
		}
	}
	last, err := template.Must(t.Clone()).AddParseTree(t.Name(), t.Tree.Copy())
	if err != nil {
		return "", err
	}
	(&cutter{}).list(last.Root)
	err = flush(last)
	return b.String(), err
}

// Execute renders once with any data: the bare language.
func Execute(source string, data any, now time.Time) (string, error) {
	t, err := template.New("").Option("missingkey=zero").Funcs(Funcs(now)).Parse(source)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = t.Execute(&b, data)
	return b.String(), err
}
