// SPDX-License-Identifier: MIT

// Package api has the shapes of tools as templates see them; names and JSON forms are Ollama's.
package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
)

type ImageData []byte

// PropertyType is one type or several.
type PropertyType []string

func (p *PropertyType) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*p = PropertyType{one}
		return nil
	}
	var many []string
	err := json.Unmarshal(b, &many)
	*p = many
	return err
}

func (p PropertyType) MarshalJSON() ([]byte, error) {
	if len(p) == 1 {
		return json.Marshal(p[0])
	}
	return json.Marshal([]string(p))
}

func (p PropertyType) String() string {
	switch len(p) {
	case 0:
		return ""
	case 1:
		return p[0]
	}
	return fmt.Sprintf("%v", []string(p))
}

// ToolPropertiesMap keeps the order of the request.
type ToolPropertiesMap struct {
	keys   []string
	values map[string]ToolProperty
}

func (t *ToolPropertiesMap) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		return err
	}
	t.values = map[string]ToolProperty{}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return err
		}
		var v ToolProperty
		if err := d.Decode(&v); err != nil {
			return err
		}
		if _, ok := t.values[k.(string)]; !ok {
			t.keys = append(t.keys, k.(string))
		}
		t.values[k.(string)] = v
	}
	return nil
}

func (t ToolPropertiesMap) MarshalJSON() ([]byte, error) {
	parts := []string{}
	for _, k := range t.keys {
		name, _ := json.Marshal(k)
		value, err := json.Marshal(t.values[k])
		if err != nil {
			return nil, err
		}
		parts = append(parts, string(name)+":"+string(value))
	}
	return []byte("{" + strings.Join(parts, ",") + "}"), nil
}

func (t *ToolPropertiesMap) Len() int {
	if t == nil {
		return 0
	}
	return len(t.keys)
}

func (t *ToolPropertiesMap) ToMap() map[string]ToolProperty {
	if t == nil {
		return nil
	}
	return t.values
}

func (t *ToolPropertiesMap) All() iter.Seq2[string, ToolProperty] {
	return func(yield func(string, ToolProperty) bool) {
		for i := 0; i < t.Len(); i++ {
			if !yield(t.keys[i], t.values[t.keys[i]]) {
				return
			}
		}
	}
}

type ToolProperty struct {
	AnyOf       []ToolProperty     `json:"anyOf,omitempty"`
	Type        PropertyType       `json:"type,omitempty"`
	Items       any                `json:"items,omitempty"`
	Description string             `json:"description,omitempty"`
	Enum        []any              `json:"enum,omitempty"`
	Properties  *ToolPropertiesMap `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
}

var typeScript = map[string]string{"string": "string", "number": "number", "integer": "number", "boolean": "boolean",
	"array": "any[]", "object": "Record<string, any>", "null": "null"}

func (p ToolProperty) ToTypeScriptType() string {
	var words []string
	for _, one := range p.AnyOf {
		words = append(words, one.ToTypeScriptType())
	}
	if len(p.AnyOf) == 0 {
		for _, one := range p.Type {
			word, ok := typeScript[one]
			if !ok {
				word = "any"
			}
			words = append(words, word)
		}
	}
	if len(words) == 0 {
		return "any"
	}
	return strings.Join(words, " | ")
}
