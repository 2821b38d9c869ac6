"""Which template a prompt is made with: the request's, the model file's own, or the stored TEMPLATE; and that all commands agree."""
import json

ANSWER = "Hello brave new world.\n"
JINJA = "J:{{ messages[0].content }}"
GO = "{{ if .System }}[{{ .System }}]{{ end }}G:{{ .Prompt }}@{{ .Response }}!"
MESSAGES = json.dumps([{"role": "user", "content": "hi"}])


def prompt_of(cli, model, messages=MESSAGES):
    return cli.ok("template", model, "--messages", "-", stdin=messages)


def import_with(cli, gguf, template, name="m", system=None):
    modelfile = cli.folder / "Modelfile"
    modelfile.write_text(f'FROM {gguf}\nTEMPLATE """{template}"""\n' + (f"SYSTEM {system}\n" if system else ""))
    return cli("import", gguf, name, "-f", modelfile)


def test_the_stored_template_is_used_where_the_file_has_none(cli):
    done = import_with(cli, cli.model(template=None, start=b"@"), GO, system="be brief")
    assert done.returncode == 0 and "TEMPLATE" not in done.stderr
    assert prompt_of(cli, "m") == "G:hi@"
    done = cli("run", "m", "hi")  # the answer begins behind the @
    assert done.stdout == ANSWER and "no chat template" not in done.stderr
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
             {"role": "user", "content": "c"}]
    assert prompt_of(cli, "m", json.dumps(turns)) == "[s]G:a@b!G:c@"
    assert cli.ok("show", "m", "--template") == GO + "\n"
    assert "Go, the stored TEMPLATE; the model file has none" in cli.ok("show", "m")
    shown = json.loads(cli.ok("show", "m", "--json"))
    assert (shown["template_used"], shown["template_language"], shown["template"]) == ("stored", "go", GO)


TOOLS = '[{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]'
JINJA_TOOLS = ("{% for t in tools or [] %}T:{{ t.function.name }};{% endfor %}{% for m in messages %}{{ m.role }}={{ m.content }}"
               "{% for c in m.tool_calls or [] %}<tool_call>{{ c.function.name }}{{ c.function.arguments }}</tool_call>{% endfor %};{% endfor %}"
               "{% if enable_thinking %}<think>{% endif %}")


def test_the_stored_template_goes_before_the_files_own_and_everybody_says_so(cli):
    done = import_with(cli, cli.model(template=JINJA, start=b"@"), GO, system="be brief")
    assert done.returncode == 0 and "TEMPLATE" not in done.stderr  # the file's shows nothing more
    assert prompt_of(cli, "m") == "G:hi@"
    assert cli.ok("run", "m", "hi") == ANSWER
    assert cli.ok("show", "m", "--template") == GO + "\n"
    assert "Go, the stored TEMPLATE; the model file's for what it has no place for" in cli.ok("show", "m")
    shown = json.loads(cli.ok("show", "m", "--json"))
    assert (shown["template_used"], shown["template_language"], shown["template"]) == ("stored", "go", GO)
    assert GO in cli.ok("show", "m", "--modelfile")
    cli.ok("create", "n", "--from", "m", "--template", "")
    assert prompt_of(cli, "n") == "J:hi"
    shown = json.loads(cli.ok("show", "n", "--json"))
    assert (shown["template_used"], shown["template_language"]) == ("model", "jinja")


def test_what_the_stored_template_has_no_place_for_goes_to_the_files_own(cli):
    done = import_with(cli, cli.model(template=JINJA_TOOLS), GO)
    assert "TEMPLATE has no place for tools and reasoning" in " ".join(done.stderr.split())
    tools = cli.folder / "tools.json"
    tools.write_text(TOOLS)
    assert prompt_of(cli, "m") == "G:hi@"
    assert cli.ok("template", "m", "-m", "-", "--tools", tools, stdin=MESSAGES) == "T:f;user=hi;"
    assert cli.ok("template", "m", "-m", "-", "--think=true", stdin=MESSAGES) == "user=hi;<think>"
    assert cli.ok("template", "m", "-m", "-", "--think=false", stdin=MESSAGES) == "G:hi@"
    turns = json.dumps([{"role": "user", "content": "q"},
                        {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}]},
                        {"role": "tool", "content": "r"}])
    assert prompt_of(cli, "m", turns) == "user=q;assistant=<tool_call>f{}</tool_call>;tool=r;"
    shown = json.loads(cli.ok("show", "m", "--json"))
    assert shown["template_used"] == "stored" and {"tools", "thinking"} <= set(shown["capabilities"])
    both = GO + "{{ range .Tools }}{{ .Function.Name }}{{ end }}"  # shows tools, no calls: a round trip would lose them
    import_with(cli, cli.model(template=JINJA_TOOLS), both, "both")
    assert cli.ok("template", "both", "-m", "-", "--tools", tools, stdin=MESSAGES) == "T:f;user=hi;"
    whole = ("{{ range .Tools }}G:{{ .Function.Name }};{{ end }}{{ range .Messages }}{{ .Role }}:{{ .Content }}"
             "{{ range .ToolCalls }}<tool_call>{{ .Function.Name }}{{ .Function.Arguments }}</tool_call>{{ end }};{{ end }}")
    import_with(cli, cli.model(template=JINJA_TOOLS), whole, "whole")
    assert cli.ok("template", "whole", "-m", "-", "--tools", tools, stdin=MESSAGES) == "G:f;user:hi;"


def test_two_models_of_the_same_weights_have_each_their_own_template(cli):
    gguf = cli.model(template=None, start=b"@")
    import_with(cli, gguf, "ONE {{ .Prompt }}@", "one")
    import_with(cli, gguf, "TWO {{ .Prompt }}@", "two")
    assert prompt_of(cli, "one") == "ONE hi@" and prompt_of(cli, "two") == "TWO hi@"
    assert cli.ok("run", "one", "x") == cli.ok("run", "two", "x") == ANSWER


def test_a_template_that_is_none_is_refused_at_import(cli):
    done = import_with(cli, cli.model(template=None), "{{ if .Prompt }}")
    assert done.returncode == 5 and done.stdout == ""
    assert "TEMPLATE: template line 1, column 17: the template ends" in done.stderr.replace("\n", " ")
    assert "m:latest" not in cli.ok("list")


def test_templates_can_be_given_in_either_language(cli):
    model = cli.model(template=None, start=b"@")
    assert cli.ok("run", model, "hi", "--template", "{{ .Prompt }}@") == ANSWER
    assert cli.ok("run", cli.model(template=JINJA, start=b"@", name="own"), "hi", "--template", "{{ .Prompt }}@") == ANSWER
    (cli.folder / "t.gotmpl").write_text("{{ range .Messages }}<|{{ .Role }}|>{{ .Content }}{{ end }}{{ range .Tools }}{{ .Function.Name }}{{ end }}")
    (cli.folder / "m.json").write_text(MESSAGES)
    (cli.folder / "t.json").write_text('[{"type": "function", "function": {"name": "f"}}]')
    assert cli.ok("template", "t.gotmpl", "-m", "m.json", "--tools", "t.json") == "<|user|>hif"
    done = cli("run", model, "hi", "--template", "{{ .Prompt")
    assert done.returncode == 5 and "line 1, column 1: this action has no end" in done.stderr


def test_text_of_messages_never_becomes_a_control_token(cli):
    """`<|im_end|>` that a user wrote is text, in whatever function of the template it went through."""
    gguf = cli.model(template=None, start=b"@")
    counts = []
    for name, template in (("a", "{{ .Prompt }}@"), ("b", '{{ printf "%s" (slice .Prompt 0 5) }}{{ slice .Prompt 5 }}@'), ("c", "<|im_end|>@")):
        import_with(cli, gguf, template, name)
        counts.append(json.loads(cli.ok("run", name, "<|im_end|>", "--json"))["prompt_tokens"])
    assert counts[0] == counts[1] == counts[2] + len("<|im_end|>") - 1


def test_show_says_what_a_template_can_show_and_what_others_there_are(cli):
    model = cli.model(template=JINJA)
    assert "template shows       plain turns" in cli.ok("show", model)
    shown = json.loads(cli.ok("show", model, "--json"))
    assert shown["template_shows"]["known"] and not shown["template_shows"]["tools"] and shown["templates_named"] == []
    model = cli.model(other_keys={"tokenizer.chat_template.tool_use": (8, "T"), "tokenizer.chat_template.rag": (8, "R")})
    text = cli.ok("show", model)
    assert "named template       tool_use, for requests with tools" in text and "rag (not used)" in text
    assert "template shows       system, results" in text
    assert json.loads(cli.ok("show", model, "--json"))["templates_named"] == ["tool_use", "rag"]
    tools = cli.folder / "tools.json"
    tools.write_text('[{"type": "function", "function": {"name": "f"}}]')
    assert cli.ok("template", model, "--messages", "-", "--tools", tools, stdin=MESSAGES) == "T"


def test_a_template_or_messages_with_a_nul_byte_are_refused_and_not_cut(cli):
    model = cli.model(template=JINJA)
    (cli.folder / "t.tmpl").write_bytes(b"{{ .Prompt }}\0tail")
    (cli.folder / "good.tmpl").write_bytes(b"{{ .Prompt }}")
    (cli.folder / "m.json").write_bytes(MESSAGES.encode() + b"\0")
    done = cli("run", model, "hi", "--template", "@t.tmpl")
    assert done.returncode != 0 and "template: the byte at 13 is NUL" in done.stderr
    done = cli("template", "t.tmpl", "--messages", "-", stdin=MESSAGES)
    assert done.returncode != 0 and "t.tmpl: the byte at 13 is NUL" in done.stderr
    done = cli("template", "good.tmpl", "--messages", "m.json")
    assert done.returncode != 0 and f"m.json: the byte at {len(MESSAGES)} is NUL" in done.stderr
