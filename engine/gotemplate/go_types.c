/* SPDX-License-Identifier: MIT
 *
 * go_types.c - the Go types that templates can meet: JSON's, and those of the variables that Ollama defines.
 *
 * from: Ollama's documented template variables and the JSON forms of its messages and tools, August 2026.
 * Their names are what %T prints there.
 */
#include "engine/gotemplate/go_value.h"

#define FIELDS(a) .fields = (a), .n_fields = sizeof(a) / sizeof *(a)

const hl_go_type hl_go_type_nil = {.name = "interface {}", .kind = HL_GO_NIL};
const hl_go_type hl_go_type_bool = {.name = "bool", .kind = HL_GO_BOOL};
const hl_go_type hl_go_type_int = {.name = "int", .kind = HL_GO_INT};
const hl_go_type hl_go_type_uint8 = {.name = "uint8", .kind = HL_GO_UINT8};
const hl_go_type hl_go_type_float = {.name = "float64", .kind = HL_GO_FLOAT};
const hl_go_type hl_go_type_complex = {.name = "complex128", .kind = HL_GO_COMPLEX};
const hl_go_type hl_go_type_string = {.name = "string", .kind = HL_GO_STRING};
const hl_go_type hl_go_type_any_slice = {.name = "[]interface {}", .kind = HL_GO_SLICE};
const hl_go_type hl_go_type_any_map = {.name = "map[string]interface {}", .kind = HL_GO_MAP};
const hl_go_type hl_go_type_strings = {.name = "[]string", .kind = HL_GO_SLICE, .elem = &hl_go_type_string};

/* ---- Messages ---- */

const hl_go_type hl_go_type_image = {.name = "api.ImageData", .kind = HL_GO_SLICE, .elem = &hl_go_type_uint8};
const hl_go_type hl_go_type_images = {
    .name = "[]api.ImageData", .kind = HL_GO_SLICE, .elem = &hl_go_type_image};
const hl_go_type hl_go_type_call_arguments = {
    .name = "template.templateArgs", .kind = HL_GO_MAP, .methods = HL_GO_M_STRING};

static const hl_go_field call_function_fields[] = {
    {"Index", "Index", false, &hl_go_type_int},
    {"Name", "Name", false, &hl_go_type_string},
    {"Arguments", "Arguments", false, &hl_go_type_call_arguments},
};
const hl_go_type hl_go_type_call_function = {
    .name = "template.templateToolCallFunction", .kind = HL_GO_STRUCT, FIELDS(call_function_fields)};

static const hl_go_field call_fields[] = {
    {"ID", "ID", false, &hl_go_type_string},
    {"Function", "Function", false, &hl_go_type_call_function},
};
const hl_go_type hl_go_type_call = {
    .name = "template.templateToolCall", .kind = HL_GO_STRUCT, FIELDS(call_fields)};
const hl_go_type hl_go_type_calls = {
    .name = "[]template.templateToolCall", .kind = HL_GO_SLICE, .elem = &hl_go_type_call};

static const hl_go_field message_fields[] = {
    {"Role", "Role", false, &hl_go_type_string},
    {"Content", "Content", false, &hl_go_type_string},
    {"Thinking", "Thinking", false, &hl_go_type_string},
    {"Images", "Images", false, &hl_go_type_images},
    {"ToolCalls", "ToolCalls", false, &hl_go_type_calls},
    {"ToolName", "ToolName", false, &hl_go_type_string},
    {"ToolCallID", "ToolCallID", false, &hl_go_type_string},
};
const hl_go_type hl_go_type_message = {
    .name = "template.templateMessage", .kind = HL_GO_STRUCT, FIELDS(message_fields)};
const hl_go_type hl_go_type_message_pointer = {
    .name = "*template.templateMessage", .kind = HL_GO_POINTER, .elem = &hl_go_type_message};
const hl_go_type hl_go_type_messages = {
    .name = "[]*template.templateMessage", .kind = HL_GO_SLICE, .elem = &hl_go_type_message_pointer};

/* ---- Tools ---- */

const hl_go_type hl_go_type_property_type = {
    .name = "api.PropertyType", .kind = HL_GO_SLICE, .methods = HL_GO_M_STRING, .elem = &hl_go_type_string};
const hl_go_type hl_go_type_property_slice = {
    .name = "[]api.ToolProperty", .kind = HL_GO_SLICE, .elem = &hl_go_type_property};
const hl_go_type hl_go_type_property_map = {
    .name = "map[string]api.ToolProperty", .kind = HL_GO_MAP, .elem = &hl_go_type_property};
const hl_go_type hl_go_type_property_seq = {
    .name = "iter.Seq2[string,github.com/ollama/ollama/api.ToolProperty]", .kind = HL_GO_SEQ};
const hl_go_type hl_go_type_ordered = {.name = "api.ToolPropertiesMap",
                                       .kind = HL_GO_MAP,
                                       .methods = HL_GO_M_ORDERED,
                                       .elem = &hl_go_type_property};
const hl_go_type hl_go_type_ordered_pointer = {.name = "*api.ToolPropertiesMap",
                                               .kind = HL_GO_POINTER,
                                               .methods = HL_GO_M_ORDERED,
                                               .elem = &hl_go_type_ordered};

static const hl_go_field property_fields[] = {
    {"AnyOf", "anyOf", true, &hl_go_type_property_slice},
    {"Type", "type", true, &hl_go_type_property_type},
    {"Items", "items", true, NULL},
    {"Description", "description", true, &hl_go_type_string},
    {"Enum", "enum", true, &hl_go_type_any_slice},
    {"Properties", "properties", true, &hl_go_type_ordered_pointer},
    {"Required", "required", true, &hl_go_type_strings},
};
const hl_go_type hl_go_type_property = {
    .name = "api.ToolProperty", .kind = HL_GO_STRUCT, .methods = HL_GO_M_TYPESCRIPT, FIELDS(property_fields)};

const hl_go_type hl_go_type_tool_properties = {.name = "template.templateProperties",
                                               .kind = HL_GO_MAP,
                                               .methods = HL_GO_M_STRING,
                                               .elem = &hl_go_type_property};

static const hl_go_field parameters_fields[] = {
    {"Type", "type", false, &hl_go_type_string},
    {"Defs", "$defs", true, NULL},
    {"Items", "items", true, NULL},
    {"Required", "required", true, &hl_go_type_strings},
    {"Properties", "properties", false, &hl_go_type_tool_properties},
};
const hl_go_type hl_go_type_tool_parameters = {
    .name = "template.templateToolFunctionParameters", .kind = HL_GO_STRUCT, FIELDS(parameters_fields)};

static const hl_go_field tool_function_fields[] = {
    {"Name", "name", false, &hl_go_type_string},
    {"Description", "description", false, &hl_go_type_string},
    {"Parameters", "parameters", false, &hl_go_type_tool_parameters},
};
const hl_go_type hl_go_type_tool_function = {
    .name = "template.templateToolFunction", .kind = HL_GO_STRUCT, FIELDS(tool_function_fields)};

static const hl_go_field tool_fields[] = {
    {"Type", "type", false, &hl_go_type_string},
    {"Items", "items", true, NULL},
    {"Function", "function", false, &hl_go_type_tool_function},
};
const hl_go_type hl_go_type_tool = {
    .name = "template.templateTool", .kind = HL_GO_STRUCT, .methods = HL_GO_M_STRING, FIELDS(tool_fields)};
const hl_go_type hl_go_type_tools = {.name = "template.templateTools",
                                     .kind = HL_GO_SLICE,
                                     .methods = HL_GO_M_STRING,
                                     .elem = &hl_go_type_tool};
