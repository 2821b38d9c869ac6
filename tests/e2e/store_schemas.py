"""Schemas in the style of those that editors use for files that everybody has: draft 4 to 2020-12, definitions, references, patterns, conditions.
Written by hand after the files' own documents; none is a copy."""
D4, D7, D20 = ("http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema")
S, B, I, N = {"type": "string"}, {"type": "boolean"}, {"type": "integer"}, {"type": "number"}
UINT = {"type": "integer", "minimum": 0}


def ref(name, root="definitions"):
    return {"$ref": f"#/{root}/{name}"}


def listed(items, **more):
    return {"type": "array", "items": items, **more}


def obj(properties, *required, **more):
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {}), **more}


def mapped(values, pattern=None):
    return {"type": "object", "patternProperties": {pattern: values}, "additionalProperties": False} if pattern else {"type": "object", "additionalProperties": values}


def one_or_many(schema):
    return {"anyOf": [schema, listed(schema)]}


STORE = {
    "package.json": {"$schema": D7, "definitions": {
        "person": {"type": ["object", "string"], "required": ["name"], "properties": {"name": S, "url": {"type": "string", "format": "uri"}, "email": {"type": "string", "format": "email"}}},
        "dependency": mapped(S), "license": {"anyOf": [S, {"enum": ["MIT", "Apache-2.0", "BSD-3-Clause"]}]}},
        **obj({"name": {"type": "string", "maxLength": 214, "minLength": 1, "pattern": "^(?:(?:@(?:[a-z0-9-*~][a-z0-9-*._~]*)?/[a-z0-9-._~])|[a-z0-9-~])[a-z0-9-._~]*$"},
               "version": {"type": "string", "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+(-[a-z0-9.]+)?$"}, "private": {"anyOf": [B, {"enum": ["false", "true"]}]}, "keywords": listed(S),
               "license": ref("license"), "author": ref("person"), "contributors": listed(ref("person")), "bin": {"type": ["string", "object"], "additionalProperties": S},
               "type": {"enum": ["commonjs", "module"], "default": "commonjs"}, "scripts": mapped(S), "dependencies": ref("dependency"), "devDependencies": ref("dependency"),
               "engines": obj({"node": S}, additionalProperties=S), "exports": {"oneOf": [{"type": "null"}, {"type": "string", "pattern": "^\\./"}]}})},
    "tsconfig.json": {"$schema": D4, "allOf": [{"anyOf": [{"required": ["files"]}, {"required": ["include"]}]}, ref("compiler"), {"properties": {"files": listed(S), "include": listed(S), "extends": one_or_many(S)}}],
                      "type": "object", "definitions": {"compiler": {"properties": {"compilerOptions": obj({
                          "target": {"anyOf": [{"enum": ["ES5", "ES2015", "ESNext"]}, {"pattern": "^([Ee][Ss]([356]|(20(1[56789]|2[01])))|[Nn]ext)$"}], "type": "string", "default": "ES3"},
                          "strict": B, "lib": listed({"enum": ["dom", "es2020"]}, uniqueItems=True), "jsx": {"enum": ["preserve", "react"]}, "maxNodeModuleJsDepth": {"type": "number"},
                          "paths": mapped(listed(S))})}}}},
    "github-workflow": {"$schema": D7, "definitions": {
        "name": {"type": "string", "pattern": "^[_a-zA-Z][a-zA-Z0-9_-]*$"}, "event": {"enum": ["push", "pull_request", "schedule"]},
        "step": {"allOf": [obj({"name": S, "env": mapped({"type": ["string", "number", "boolean"]}), "timeout-minutes": UINT, "uses": S, "run": S, "with": mapped({"type": ["string", "number"]})}, additionalProperties=False),
                           {"oneOf": [{"required": ["uses"], "not": {"required": ["run"]}}, {"required": ["run"], "not": {"required": ["uses"]}}]}]}},
        **obj({"name": S, "on": {"oneOf": [ref("event"), listed(ref("event"), minItems=1), obj({"push": obj({"branches": listed(S, minItems=1)})}, "push")]},
               "jobs": {"type": "object", "patternProperties": {"^[_a-zA-Z][a-zA-Z0-9_-]*$": obj({
                   "runs-on": one_or_many({"enum": ["ubuntu-latest", "windows-latest"]}), "needs": one_or_many(ref("name")), "steps": listed(ref("step"), minItems=1)}, "runs-on", "steps", additionalProperties=False)},
                   "minProperties": 1, "additionalProperties": False}}, "on", "jobs", additionalProperties=False)},
    "openapi": {"$schema": D20, "$defs": {"info": obj({"title": S, "version": S, "license": obj({"name": S, "identifier": S, "url": {"type": "string", "format": "uri"}}, "name", dependentSchemas={"identifier": {"not": {"required": ["url"]}}})}, "title", "version"),
                                          "parameter": obj({"name": S, "in": {"enum": ["query", "path"]}, "required": B}, "name", "in", **{"if": {"properties": {"in": {"const": "path"}}}, "then": {"properties": {"required": {"const": True}}, "required": ["required"]}}),
                                          "operation": obj({"tags": listed(S), "operationId": S, "parameters": listed(ref("parameter", "$defs")), "deprecated": {"type": "boolean", "default": False},
                                                            "responses": mapped(obj({"description": S}, "description"), "^[1-5](?:[0-9]{2}|XX)$")}, "responses")},
                **obj({"openapi": {"type": "string", "pattern": "^3\\.1\\.[0-9]+(-.+)?$", "maxLength": 9}, "info": ref("info", "$defs"),
                       "paths": {"type": "object", "patternProperties": {"^/": obj({"get": ref("operation", "$defs"), "post": ref("operation", "$defs")}, unevaluatedProperties=False)}, "additionalProperties": False}}, "openapi", "info", "paths")},
    "compose": {"$schema": D7, "definitions": {"port": {"anyOf": [{"type": "number"}, S, obj({"target": I, "published": {"type": ["string", "integer"]}, "protocol": S}, additionalProperties=False)]},
                                               "list_or_dict": {"oneOf": [mapped({"type": ["string", "number", "boolean", "null"]}, ".+"), listed(S)]},
                                               "service": obj({"image": S, "build": {"oneOf": [S, obj({"context": S, "args": ref("list_or_dict")}, additionalProperties=False)]}, "command": {"oneOf": [{"type": "null"}, S, listed(S)]},
                                                               "ports": listed(ref("port")), "environment": ref("list_or_dict"), "restart": S, "depends_on": listed(S), "privileged": {"type": ["boolean", "string"]}}, additionalProperties=False)},
                **obj({"version": S, "services": mapped(ref("service"), "^[a-zA-Z0-9._-]+$"), "volumes": mapped({"type": ["object", "null"], "properties": {"driver": S}}, "^[a-zA-Z0-9._-]+$")}, patternProperties={"^x-": True}, additionalProperties=False)},
    "eslintrc": {"$schema": D4, "definitions": {"rule": {"oneOf": [ref("severity"), listed({}, minItems=1, maxItems=2)]}, "severity": {"oneOf": [{"type": "integer", "minimum": 0, "maximum": 2}, {"type": "string", "enum": ["off", "warn", "error"]}]}},
                 **obj({"root": B, "env": mapped(B), "parserOptions": obj({"ecmaVersion": {"enum": [3, 5, 6, 2020, "latest"]}, "sourceType": {"enum": ["script", "module"]}}), "rules": {"type": "object", "additionalProperties": ref("rule")}, "extends": one_or_many(S)})},
    "prettierrc": {"$schema": D7, "definitions": {"options": obj({"printWidth": {"type": "integer", "default": 80}, "tabWidth": UINT, "semi": B, "endOfLine": {"oneOf": [{"enum": ["lf"]}, {"enum": ["crlf"]}, {"enum": ["auto"]}]}})},
                   "oneOf": [{"type": "object", "allOf": [ref("options"), {"properties": {"overrides": listed(obj({"files": one_or_many(S), "options": ref("options")}, "files", additionalProperties=False))}}]}, S]},
    "composer.json": {"$schema": D4, **obj({"name": {"type": "string", "pattern": "^[a-z0-9]([_.-]?[a-z0-9]+)*/[a-z0-9](([_.]?|-{0,2})[a-z0-9]+)*$"}, "type": {"type": "string", "pattern": "^[a-z0-9-]+$"},
                                           "authors": listed(obj({"name": S, "email": {"type": "string", "format": "email"}}, "name", additionalProperties=False)),
                                           "minimum-stability": {"type": ["string"], "pattern": "^dev|alpha|beta|rc|RC|stable$"}, "prefer-stable": B, "require": mapped(S)}, additionalProperties=True)},
    "renovate": {"$schema": D7, **obj({"automerge": B, "prHourlyLimit": UINT, "schedule": {"oneOf": [listed(S), S]}, "rangeStrategy": {"enum": ["auto", "pin"]}, "labels": listed(S),
                                       "packageRules": listed({"allOf": [obj({"matchUpdateTypes": listed({"enum": ["major", "minor"]}), "enabled": B}), {"anyOf": [{"required": ["matchUpdateTypes"]}, {"required": ["enabled"]}]}]})})},
    "pipelines": {"$schema": D7, "definitions": {"image": {"oneOf": [S, obj({"name": S, "run-as-user": {"type": "integer", "minimum": 1}}, "name", additionalProperties=False)]},
                                                 "step": obj({"script": listed(S, minItems=1), "image": ref("image"), "size": {"enum": ["1x", "2x"]}, "max-time": {"type": "integer", "minimum": 1, "maximum": 120}}, "script", additionalProperties=False),
                                                 "item": {"anyOf": [obj({"step": ref("step")}, "step", additionalProperties=False), obj({"parallel": listed(obj({"step": ref("step")}, "step"), minItems=2)}, "parallel", additionalProperties=False)]}},
                  **obj({"image": ref("image"), "pipelines": obj({"default": listed(ref("item"), minItems=1)}, additionalProperties=False, minProperties=1)}, "pipelines", additionalProperties=False)},
    "geojson": {"$schema": D7, "definitions": {"position": listed(N, minItems=2, maxItems=3), "point": obj({"type": {"enum": ["Point"]}, "coordinates": ref("position")}, "type", "coordinates"),
                                               "line": obj({"type": {"enum": ["LineString"]}, "coordinates": listed(ref("position"), minItems=2)}, "type", "coordinates")},
                "oneOf": [ref("point"), ref("line"), obj({"type": {"enum": ["Feature"]}, "geometry": {"oneOf": [{"type": "null"}, ref("point"), ref("line")]}, "properties": {"oneOf": [{"type": "null"}, {"type": "object"}]}}, "type", "properties", "geometry")]},
    "web-manifest": {"$schema": D4, **obj({"name": S, "dir": {"enum": ["ltr", "rtl", "auto"], "default": "auto"}, "display": {"type": "string", "enum": ["fullscreen", "standalone"]}, "theme_color": {"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"},
                                          "icons": listed(obj({"sizes": {"type": "string", "oneOf": [{"pattern": "^[0-9]{1,4}x[0-9]{1,4}$"}, {"enum": ["any"]}]}, "src": S, "purpose": {"type": "string", "enum": ["badge", "maskable"]}}, "src"))})},
    "jsconfig": {"$schema": D7, **obj({"compilerOptions": obj({"checkJs": B, "module": {"enum": ["none", "amd"]}, "baseUrl": S, "rootDirs": listed(S)}), "exclude": listed(S), "references": listed(obj({"path": S}, "path"))})},
    "vega-mark": {"$schema": D7, "definitions": {"color": {"anyOf": [{"enum": ["red", "blue"]}, {"type": "string", "pattern": "^#([0-9a-f]{3}){1,2}$"}, {"type": "null"}]}, "value": obj({"value": {"type": ["number", "string", "boolean", "null"]}, "condition": one_or_many(ref("value"))}, additionalProperties=False)},
                  **obj({"mark": {"enum": ["bar", "line"]}, "opacity": {"type": "number", "minimum": 0, "maximum": 1}, "color": ref("color"), "encoding": obj({"x": ref("value"), "y": ref("value")}, additionalProperties=False)}, "mark", "encoding", additionalProperties=False)},
    "cargo": {"$schema": D7, "definitions": {"dep": {"anyOf": [{"type": "string", "pattern": "^[~^=]?[0-9]+(\\.[0-9]+){0,2}$"}, obj({"version": S, "optional": B, "features": listed(S)}, additionalProperties=False)]}},
              **obj({"package": obj({"name": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_-]*$"}, "edition": {"enum": ["2015", "2018", "2021"]}, "publish": {"oneOf": [B, listed(S)]}}, "name"), "dependencies": {"type": "object", "additionalProperties": ref("dep")},
                     "profile": obj({"release": obj({"opt-level": {"enum": [0, 1, 2, 3, "s", "z"]}, "lto": {"anyOf": [B, {"enum": ["fat", "thin"]}]}, "codegen-units": {"type": "integer", "minimum": 1}})})}, "package")},
    "dependabot": {"$schema": D7, **obj({"version": {"const": 2}, "updates": listed(obj({"package-ecosystem": {"enum": ["npm", "pip"]}, "directory": {"type": "string", "pattern": "^/"}, "schedule": {
        "allOf": [obj({"interval": {"enum": ["daily", "weekly"]}, "day": {"enum": ["monday", "friday"]}, "time": {"type": "string", "pattern": "^([01]?[0-9]|2[0-3]):[0-5][0-9]$"}}, "interval", additionalProperties=False),
                  {"if": {"properties": {"interval": {"const": "daily"}}}, "then": {"not": {"required": ["day"]}}}]}}, "package-ecosystem", "directory", "schedule", additionalProperties=False), minItems=1)}, "version", "updates", additionalProperties=False)},
    "k8s-deployment": {"$schema": D7, "definitions": {"labels": mapped(S), "quantity": {"oneOf": [{"type": "string", "pattern": "^[0-9]+(m|Mi|Gi)?$"}, N]}, "container": obj({"name": S, "image": S, "ports": listed(obj({"containerPort": {"type": "integer", "minimum": 1, "maximum": 65535}}, "containerPort")),
        "resources": obj({"limits": mapped(ref("quantity"))})}, "name")},
        **obj({"apiVersion": {"enum": ["apps/v1"]}, "kind": {"enum": ["Deployment"]}, "metadata": obj({"name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 20}, "labels": ref("labels")}, "name"),
               "spec": obj({"replicas": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 9}, "template": obj({"spec": obj({"containers": listed(ref("container"), minItems=1)}, "containers")}, "spec")}, "template")}, "apiVersion", "kind", "spec")},
    "resume": {"$schema": D7, "definitions": {"iso8601": {"type": "string", "pattern": "^([1-2][0-9]{3}-[0-1][0-9]-[0-3][0-9]|[1-2][0-9]{3}-[0-1][0-9]|[1-2][0-9]{3})$"}},
               **obj({"basics": obj({"name": S, "email": {"type": "string", "format": "email"}, "url": {"type": "string", "format": "uri"}, "location": obj({"countryCode": {"type": "string", "minLength": 2, "maxLength": 2}}, additionalProperties=True)}, additionalProperties=True),
                      "work": listed(obj({"name": S, "startDate": ref("iso8601"), "highlights": listed(S)}, additionalProperties=True))}, additionalProperties=False)},
    "ast": {"$schema": D20, "$ref": "#/$defs/expression", "$defs": {
        "expression": {"oneOf": [obj({"op": {"enum": ["+", "-"]}, "left": ref("expression", "$defs"), "right": ref("expression", "$defs")}, "op", "left", "right", additionalProperties=False), obj({"value": N}, "value", additionalProperties=False),
                                 obj({"call": {"type": "string", "pattern": "^[a-z]+$"}, "args": listed(ref("expression", "$defs"))}, "call", additionalProperties=False)]}}},
    "lambda-event": {"$schema": D20, **obj({"Records": listed({"unevaluatedProperties": False, "allOf": [obj({"eventID": {"type": "string", "format": "uuid"}, "eventTime": {"type": "string", "format": "date-time"}}, "eventID"), obj({"source": {"enum": ["s3", "sqs"]}}, "source")]}, minItems=1, contains={"required": ["eventTime"]}, maxContains=2)}, "Records")},
}


def short(schema):
    """The same with short texts and lists, so that answers of a model that says anything end."""
    if isinstance(schema, list):
        return [short(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    got = {k: v if k in ("enum", "const", "required") else short(v) for k, v in schema.items()}
    kind = got.get("type")
    if kind == "string" and not {"enum", "format", "maxLength"} & set(got):
        got["maxLength"] = 12
    if kind == "array" and "maxItems" not in got:
        got["maxItems"] = max(2, got.get("minItems", 0))
    return got
