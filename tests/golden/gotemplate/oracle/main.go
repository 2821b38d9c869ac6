// SPDX-License-Identifier: MIT

// oracle says what Go's own text/template makes of templates.
//
//	oracle expect < rows.json > expected.json   fill in "output" or "error" of every row
//	oracle random SEED N > expected.json        N random rows with what they give
//	oracle chat SEED N < models.json > out.json the same with the requests of that file
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ollama/ollama/template"
)

// Row is one case: a template of its own or one of the file's (of), which sees the file's data or one of its requests
// (with).
type Row struct {
	Template any     `json:"template,omitempty"` // a text, or its lines
	Of       string  `json:"of,omitempty"`
	With     string  `json:"with,omitempty"`
	Differs  string  `json:"differs,omitempty"` // why ours fails where Go does not
	Output   *string `json:"output,omitempty"`
	Base64   *string `json:"base64,omitempty"` // an output that is no UTF-8
	Error    string  `json:"error,omitempty"`
}

// File is what is read and written.
type File struct {
	Data      json.RawMessage            `json:"data,omitempty"`
	Templates map[string]any             `json:"templates,omitempty"`
	Requests  map[string]json.RawMessage `json:"requests,omitempty"`
	Rows      []*Row                     `json:"rows"`
}

var now = time.Date(2026, 3, 1, 3, 4, 5, 0, time.UTC)

func text(t any) string {
	if s, ok := t.(string); ok {
		return s
	}
	var lines []string
	for _, l := range t.([]any) {
		lines = append(lines, l.(string))
	}
	return strings.Join(lines, "\n")
}

func (r *Row) run(f *File) {
	var out string
	var err error
	if r.With != "" {
		source := r.Template
		if r.Of != "" {
			source = f.Templates[r.Of]
		}
		var q template.Request
		if err := json.Unmarshal(f.Requests[r.With], &q); err != nil {
			panic(r.With + ": " + err.Error())
		}
		out, err = template.Render(text(source), q, now)
	} else {
		var data any
		if err := json.Unmarshal(f.Data, &data); err != nil {
			panic(err)
		}
		out, err = template.Execute(text(r.Template), data, now)
	}
	switch {
	case err != nil:
		r.Error = err.Error()
	case utf8.ValidString(out):
		r.Output = &out
	default:
		b := base64.StdEncoding.EncodeToString([]byte(out))
		r.Base64 = &b
	}
}

func main() {
	var f File
	switch {
	case len(os.Args) == 2 && os.Args[1] == "expect":
		if err := json.NewDecoder(os.Stdin).Decode(&f); err != nil {
			panic(err)
		}
	case len(os.Args) == 4 && os.Args[1] == "chat":
		if err := json.NewDecoder(os.Stdin).Decode(&f); err != nil {
			panic(err)
		}
		seed, _ := strconv.ParseUint(os.Args[2], 10, 64)
		n, _ := strconv.Atoi(os.Args[3])
		f.Templates = nil
		f.Rows = randomChats(&f, seed, n)
	case len(os.Args) == 4 && os.Args[1] == "random":
		seed, _ := strconv.ParseUint(os.Args[2], 10, 64)
		n, _ := strconv.Atoi(os.Args[3])
		f = File{Data: json.RawMessage(data)}
		f.Rows = random(&f, seed, n)
	default:
		fmt.Fprintln(os.Stderr, "usage: oracle expect < rows.json | oracle random SEED N | oracle chat SEED N < models.json")
		os.Exit(2)
	}
	for _, r := range f.Rows {
		r.run(&f)
	}
	write(&f)
}

// write gives one line to every row, so that differences can be read.
func write(f *File) {
	line := func(v any) string {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			panic(err)
		}
		return strings.TrimSpace(b.String())
	}
	rows := f.Rows
	f.Rows = []*Row{}
	head := line(f)
	fmt.Println(strings.TrimSuffix(head, "]}"))
	for i, r := range rows {
		comma := ","
		if i == len(rows)-1 {
			comma = ""
		}
		fmt.Println(line(r) + comma)
	}
	fmt.Println("]}")
}
