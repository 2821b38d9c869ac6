/* SPDX-License-Identifier: MIT
 *
 * test_schema.c - JSON schemas: which values they allow, byte by byte; which keywords are refused, and where;
 * and that no way leads to a dead end.
 */
#include "tests/unit/grammar_fixture.h"

#include "core/data/json.h"

typedef struct row {
    const char *schema;
    const char *good[9], *bad[9];
} row;

static const row rows[] = {
    {"true", {"1", "null", "[{}]"}, {"", "nul"}},
    {"{\"type\":[\"integer\",\"null\"]}", {"null", "0", "-12"}, {"1.5", "-0", "01", "true"}},
    {"{\"type\":\"string\",\"nullable\":true}", {"\"\"", "null"}, {"1"}},
    {"{\"const\":{\"a\":[1,\"x\"]}}",
     {"{\"a\":[1,\"x\"]}", "{ \"a\": [1, \"x\"]}"},
     {"{}", "{\"a\":[1]}", "{\"a\":[1,\"x\"],\"b\":1}"}},
    {"{\"enum\":[1,\"a\",null,[true]]}", {"1", "\"a\"", "null", "[true]"}, {"2", "true", "[]", "\"b\""}},
    {"{\"enum\":[1.0,2.5],\"type\":\"integer\"}", {"1"}, {"1.0", "2.5", "2"}},
    /* numbers */
    {"{\"type\":\"integer\",\"minimum\":-7,\"maximum\":120}",
     {"-7", "0", "99", "120"},
     {"-8", "121", "1000", "-70"}},
    {"{\"minimum\":0.05,\"exclusiveMaximum\":10,\"type\":\"number\"}",
     {"0.05", "0.050", "9.99", "1"},
     {"0.049", "0.0", "10", "10.0", "-1", "1e0"}},
    {"{\"exclusiveMinimum\":-1.5,\"maximum\":-0.25,\"type\":\"number\"}",
     {"-1.49", "-0.25", "-1"},
     {"-1.5", "-0.2", "0", "1"}},
    {"{\"type\":\"integer\",\"multipleOf\":3}", {"0", "3", "-9", "300"}, {"1", "301"}},
    {"{\"type\":\"number\",\"multipleOf\":0.25}", {"0.25", "1.50", "7", "0.250"}, {"0.3", "0.255", "0.1250"}},
    {"{\"minimum\":5,\"exclusiveMinimum\":true,\"type\":\"integer\"}", {"6"}, {"5"}},
    {"{\"type\":\"integer\",\"minimum\":9007199254740993,\"maximum\":9007199254740994}",
     {"9007199254740993"},
     {"9007199254740992"}},
    {"{\"type\":\"number\",\"maximum\":1e-7}", {"0.0000001", "-5"}, {"0.00000011"}},
    {"{\"type\":\"number\",\"not\":{\"type\":\"integer\"}}", {"1.5"}, {"1", "1.0", "2.00"}},
    /* texts */
    {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
     {"\"ab\"", "\"\\n\xC3\xA9x\"", "\"\\ud83d\\ude00a\""},
     {"\"a\"", "\"abcd\"", "\"\\n\""}},
    {"{\"type\":\"string\",\"pattern\":\"^[a-z]+$\",\"maxLength\":3}",
     {"\"abc\""},
     {"\"abcd\"", "\"\"", "\"A\""}},
    {"{\"type\":\"string\",\"pattern\":\"b\"}", {"\"abc\"", "\"b\""}, {"\"ac\""}},
    {"{\"type\":\"string\",\"pattern\":\"^\\\"\\\\\\\\\\n$\"}", {"\"\\\"\\\\\\n\""}, {"\"\"\""}},
    {"{\"type\":\"string\",\"format\":\"date\"}",
     {"\"2024-02-29\"", "\"1999-12-31\""},
     {"\"2023-02-29\"", "\"2023-13-01\"", "\"x\""}},
    {"{\"type\":\"string\",\"format\":\"date-time\"}",
     {"\"2024-02-29T23:59:59.5Z\"", "\"2024-01-01T00:00:00+01:00\""},
     {"\"2024-02-29 23:59:59Z\"", "\"2024-02-29T24:00:00Z\""}},
    {"{\"format\":\"ipv6\",\"type\":\"string\"}",
     {"\"::1\"", "\"2001:db8::ff00:42:8329\"", "\"::ffff:1.2.3.4\""},
     {"\"1::2::3\"", "\"12345::\"", "\"1:2:3:4:5:6:7\""}},
    {"{\"format\":\"ipv4\",\"type\":\"string\"}",
     {"\"0.0.0.0\"", "\"255.255.255.255\""},
     {"\"256.0.0.1\"", "\"1.2.3\"", "\"01.2.3.4\""}},
    {"{\"format\":\"uuid\",\"type\":\"string\"}",
     {"\"2eb8aa08-aa98-11ea-b4aa-73b441d16380\""},
     {"\"2eb8aa08aa9811eab4aa73b441d16380\""}},
    {"{\"format\":\"email\",\"type\":\"string\"}", {"\"a.b+c@x-y.org\""}, {"\"a@\"", "\"@x\"", "\"a..b@x\""}},
    {"{\"format\":\"uri\",\"type\":\"string\"}",
     {"\"https://u@x.org:80/a%20b?q#f\"", "\"mailto:a@b\""},
     {"\"/a\"", "\"http://a b\""}},
    {"{\"format\":\"nobody-knows\",\"type\":\"string\"}", {"\"anything\""}, {"1"}},
    {"{\"type\":\"string\",\"not\":{\"enum\":[\"a\",\"b\"]}}", {"\"c\"", "\"ab\""}, {"\"a\"", "\"b\""}},
    /* arrays */
    {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":1,\"maxItems\":2}",
     {"[1]", "[1, 2]", "[\n  1,\n  2\n]"},
     {"[]", "[1,2,3]", "[\"a\"]"}},
    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}],\"items\":false}",
     {"[]", "[1]", "[1,\"a\"]"},
     {"[\"a\"]", "[1,\"a\",2]"}},
    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"integer\"}],\"items\":{\"type\":\"null\"},"
     "\"minItems\":3}",
     {"[1,null,null]"},
     {"[1,null]", "[null,null,null]"}},
    {"{\"type\":\"array\",\"items\":{\"enum\":[1,2,3]},\"contains\":{\"const\":2},\"minContains\":2,"
     "\"maxItems\":3}",
     {"[2,2]", "[1,2,2]", "[2,2,2]"},
     {"[2]", "[1,2,3]", "[1,2,2,2]"}},
    {"{\"type\":\"array\",\"contains\":{\"const\":2},\"maxContains\":1,\"items\":{\"enum\":[1,2]}}",
     {"[2]", "[1,2,1]"},
     {"[2,2]", "[1]"}},
    {"{\"type\":\"array\",\"items\":{\"enum\":[\"a\",\"b\",1]},\"uniqueItems\":true,\"minItems\":2}",
     {"[\"a\",1]", "[1,\"b\",\"a\"]"},
     {"[\"a\"]", "[\"a\",\"a\"]", "[1,\"b\",1]"}},
    {"{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":4},\"uniqueItems\":true,"
     "\"minItems\":1}",
     {"[1]", "[4,2,1,3]"},
     {"[]", "[1,1]", "[1,2,3,4,1]", "[5]"}},
    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"boolean\"},{\"enum\":[true,\"x\"]}],\"items\":false,"
     "\"uniqueItems\":true}",
     {"[]", "[true,\"x\"]", "[false,true]"},
     {"[true,true]", "[true,false]", "[true,\"x\",false]"}},
    {"{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/"
     "c\"},\"uniqueItems\":true,\"$defs\":{\"c\":{\"anyOf\":[{\"const\":\"a\"},{\"type\":\"null\"}]}}}",
     {"[\"a\",null]", "[null]"},
     {"[\"a\",\"a\"]", "[null,null]"}},
    {"{\"properties\":{\"a\":true},\"allOf\":[{\"properties\":{\"b\":{\"type\":\"null\"}}}],"
     "\"unevaluatedProperties\":false,\"type\":\"object\"}",
     {"{}", "{\"a\":1}", "{\"b\":null}", "{\"a\":1,\"b\":null}"},
     {"{\"c\":1}", "{\"a\":1,\"c\":1}", "{\"b\":1}"}},
    {"{\"type\":\"object\",\"properties\":{\"k\":true},\"oneOf\":[{\"properties\":{\"k\":{\"const\":1},\"x\":"
     "true},\"required\":[\"k\",\"x\"]},{\"properties\":{\"k\":{\"const\":2},\"y\":true},\"required\":[\"k\"]"
     "}],\"unevaluatedProperties\":{\"type\":\"integer\"}}",
     {"{\"k\":1,\"x\":\"s\"}", "{\"k\":2,\"y\":null,\"z\":5}", "{\"k\":2,\"x\":7}"},
     {"{\"k\":2,\"x\":\"s\"}", "{\"k\":1,\"x\":1,\"y\":\"s\"}"}},
    {"{\"type\":\"object\",\"allOf\":[{\"properties\":{\"a\":true}},{\"unevaluatedProperties\":false}]}",
     {"{}"},
     {"{\"a\":1}", "{\"b\":1}"}},
    {"{\"type\":\"object\",\"if\":{\"properties\":{\"t\":{\"const\":\"n\"}},\"required\":[\"t\"]},\"then\":{"
     "\"properties\":{\"n\":{\"type\":\"null\"}}},\"else\":{\"properties\":{\"m\":true}},\"properties\":{"
     "\"t\":true},\"unevaluatedProperties\":false}",
     {"{\"t\":\"n\",\"n\":null}", "{\"t\":\"x\",\"m\":1}", "{\"m\":1}"},
     {"{\"t\":\"n\",\"m\":1}", "{\"t\":\"x\",\"n\":null}"}},
    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"null\"}],\"allOf\":[{\"prefixItems\":[true,{\"type\":"
     "\"integer\"}]}],\"unevaluatedItems\":false}",
     {"[]", "[null]", "[null,1]"},
     {"[null,1,1]", "[1]", "[null,null]"}},
    {"{\"type\":\"array\",\"prefixItems\":[true],\"contains\":{\"type\":\"null\"},\"unevaluatedItems\":{"
     "\"type\":\"integer\"}}",
     {"[1,null]", "[\"x\",null,5,null]", "[null]"},
     {"[1]", "[1,null,\"x\"]"}},
    {"{\"$dynamicAnchor\":\"n\",\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"integer\"},\"c\":{"
     "\"type\":\"array\",\"items\":{\"$dynamicRef\":\"#n\"}}},\"required\":[\"v\"]}",
     {"{\"v\":1}", "{\"v\":1,\"c\":[{\"v\":2,\"c\":[]}]}"},
     {"{\"v\":1,\"c\":[1]}", "{\"v\":1,\"c\":[{}]}"}},
    {"{\"$id\":\"https://x.org/a/root.json\",\"$defs\":{\"s\":{\"$id\":\"sub/"
     "item.json\",\"$defs\":{\"z\":{\"type\":\"null\"}},\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/"
     "z\"}},\"z\":{\"type\":\"integer\"}},\"type\":\"object\",\"properties\":{\"p\":{\"$ref\":\"sub/"
     "item.json\"},\"q\":{\"$ref\":\"../a/./sub/item.json#/$defs/z\"},\"r\":{\"$ref\":\"/a/root.json#/$defs/"
     "z\"}}}",
     {"{\"p\":[null]}", "{\"q\":null}", "{\"r\":1}"},
     {"{\"p\":[1]}", "{\"q\":1}", "{\"r\":null}"}},
    /* objects */
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"null\"},\"c\":true}"
     ",\"required\":[\"b\"]}",
     {"{\"b\":null}", "{\"a\":1,\"b\":null}", "{\"b\":null,\"c\":[]}", "{\n  \"a\": 1,\n  \"b\": null\n}"},
     {"{}", "{\"b\":null,\"a\":1}", "{\"a\":1}", "{\"b\":null,}", "{\"b\":null,\"d\":1}", "{,\"b\":null}"}},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},\"additionalProperties\":{\"type\":"
     "\"string\"}}",
     {"{}", "{\"a\":1}", "{\"a\":1,\"x\":\"y\"}", "{\"x\":\"y\",\"ab\":\"\"}"},
     {"{\"a\":\"y\"}", "{\"x\":1}", "{\"x\":\"y\",\"a\":1}"}},
    {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"},\"minProperties\":1,"
     "\"maxProperties\":2}",
     {"{\"a\":1}", "{\"a\":1,\"b\":2}"},
     {"{}", "{\"a\":1,\"b\":2,\"c\":3}"}},
    {"{\"type\":\"object\",\"patternProperties\":{\"^s_\":{\"type\":\"string\"},\"_i$\":{\"type\":"
     "\"integer\"}},\"additionalProperties\":false}",
     {"{\"s_a\":\"x\"}", "{\"a_i\":1}"},
     {"{\"s_a\":1}", "{\"s_i\":1}", "{\"s_i\":\"x\"}", "{\"b\":1}"}},
    {"{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"^[a-z]{1,3}$\"}}",
     {"{\"abc\":1}", "{}"},
     {"{\"abcd\":1}", "{\"A\":1}"}},
    {"{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"dependentRequired\":{\"a\":[\"b\"]}}",
     {"{}", "{\"b\":1}", "{\"a\":1,\"b\":1}"},
     {"{\"a\":1}"}},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{},\"c\":{}},\"minProperties\":"
     "2}",
     {"{\"a\":1,\"b\":1}", "{\"b\":1,\"c\":1}", "{\"a\":1,\"b\":1,\"c\":1}"},
     {"{}", "{\"a\":1}", "{\"c\":1}"}},
    {"{\"type\":\"object\",\"properties\":{\"say \\\"x\\\"\":{\"type\":\"null\"}},\"required\":[\"say "
     "\\\"x\\\"\"]}",
     {"{\"say \\\"x\\\"\":null}"},
     {"{\"say \"x\"\":null}"}},
    /* references and combinations */
    {"{\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"integer\"},\"next\":{"
     "\"anyOf\":[{\"$ref\":\"#/$defs/n\"},"
     "{\"type\":\"null\"}]}},\"required\":[\"v\",\"next\"]}},\"$ref\":\"#/$defs/n\"}",
     {"{\"v\":1,\"next\":null}", "{\"v\":1,\"next\":{\"v\":2,\"next\":null}}"},
     {"{\"v\":1}", "{\"v\":1,\"next\":{}}"}},
    {"{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}", {"[]", "[[],[[]]]"}, {"[1]"}},
    {"{\"properties\":{\"a/b\":{\"$ref\":\"#/$defs/x~1y%25\"}},\"type\":\"object\",\"$defs\":{\"x/"
     "y%\":{\"type\":\"null\"}}}",
     {"{\"a/b\":null}"},
     {"{\"a/b\":1}"}},
    {"{\"$defs\":{\"a\":{\"$anchor\":\"here\",\"type\":\"null\"}},\"$ref\":\"#here\"}", {"null"}, {"1"}},
    {"{\"allOf\":[{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":[\"a\"]},"
     "{\"properties\":{\"a\":{\"maximum\":5},\"b\":{\"type\":\"null\"}}}]}",
     {"{\"a\":5}", "{\"a\":1,\"b\":null}"},
     {"{\"a\":6}", "{}", "{\"b\":null}"}},
    {"{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"a\"},\"v\":{\"type\":\"integer\"}},"
     "\"required\":[\"k\"]},"
     "{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"b\"},\"w\":{\"type\":\"null\"}},\"required\":["
     "\"k\"]}]}",
     {"{\"k\":\"a\",\"v\":1}", "{\"k\":\"b\"}"},
     {"{\"k\":\"a\",\"w\":null}", "{\"k\":\"c\"}"}},
    {"{\"oneOf\":[{\"type\":\"integer\",\"multipleOf\":3},{\"type\":\"integer\",\"multipleOf\":5}]}",
     {"3", "5", "9"},
     {"15", "0", "7"}},
    {"{\"type\":\"integer\",\"not\":{\"anyOf\":[{\"minimum\":5},{\"const\":2}]}}",
     {"4", "1", "-3"},
     {"5", "2"}},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"boolean\"},\"b\":{\"type\":\"integer\"}},"
     "\"required\":[\"a\"],"
     "\"if\":{\"properties\":{\"a\":{\"const\":true}}},\"then\":{\"required\":[\"b\"]}}",
     {"{\"a\":true,\"b\":1}", "{\"a\":false}", "{\"a\":false,\"b\":1}"},
     {"{\"a\":true}"}},
    /* a tree whose nodes are told apart by a word, though the question leads to itself */
    {"{\"$ref\":\"#/$defs/"
     "e\",\"$defs\":{\"e\":{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"op\":{\"const\":\"+\"},"
     "\"left\":{"
     "\"$ref\":\"#/$defs/e\"},\"right\":{\"$ref\":\"#/$defs/"
     "e\"}},\"required\":[\"left\",\"right\",\"op\"]},{\"type\":\"object\","
     "\"properties\":{\"op\":{\"const\":\"-\"},\"left\":{\"$ref\":\"#/$defs/"
     "e\"}},\"required\":[\"op\",\"left\"]},{\"type\":\"integer\"}"
     "]}}}",
     {"1", "{\"op\":\"-\",\"left\":{\"op\":\"+\",\"left\":1,\"right\":2}}"},
     {"null", "{\"op\":\"+\",\"left\":1}", "{\"op\":\"-\",\"left\":true}"}},
    /* several kinds of items that are counted, and one item may be of both */
    {"{\"allOf\":[{\"contains\":{\"multipleOf\":2}},{\"contains\":{\"multipleOf\":3}}],\"type\":\"array\","
     "\"items\":{"
     "\"type\":\"integer\"}}",
     {"[6]", "[2,3]", "[3,1,2,9]"},
     {"[]", "[2]", "[3,3]", "[1]"}},
    {"{\"type\":\"array\",\"contains\":{\"const\":1},\"maxContains\":1,\"allOf\":[{\"contains\":{\"type\":"
     "\"string\"},"
     "\"minContains\":2,\"maxContains\":3}],\"maxItems\":5}",
     {"[1,\"a\",\"b\"]", "[\"a\",1,null,\"a\",\"c\"]"},
     {"[1,\"a\"]", "[1,1,\"a\",\"b\"]", "[\"a\",\"b\"]", "[1,\"a\",\"a\",\"a\",\"a\"]",
      "[1,2,3,4,\"a\",\"b\"]"}},
    {"{\"allOf\":[{\"contains\":{\"const\":1}},{\"contains\":{\"const\":2}},{\"contains\":{\"const\":3}},{"
     "\"contains\":{\"const\":4}}],\"type\":\"array\",\"maxItems\":4}",
     {"[1,2,3,4]", "[4,2,1,3]"},
     {"[1,2,3]", "[1,2,3,3]", "[1,2,3,5]"}},
    /* items in front, where they must not be what they are */
    {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"not\":{\"prefixItems\":[{\"minimum\":5},{"
     "\"const\":1}]}}",
     {"[4]", "[5,2]", "[4,1,7]"},
     {"[]", "[5]", "[5,1]", "[9,1,3]"}},
    {"{\"oneOf\":[{\"prefixItems\":[{\"const\":1}]},{\"prefixItems\":[true,{\"const\":2}]}],\"type\":"
     "\"array\","
     "\"items\":{\"type\":\"integer\"}}",
     {"[1,3]", "[3,2]"},
     {"[1,2]", "[3,3]", "[]", "[1]"}},
    {"{\"type\":\"array\",\"not\":{\"items\":[{\"const\":1}]},\"minItems\":1,\"maxItems\":2}",
     {"[2]", "[null,1]"},
     {"[1]", "[1,2]"}},
    {"{\"title\":\"x\",\"default\":1,\"examples\":[2],\"$comment\":\"c\",\"deprecated\":true,\"x-own\":{},"
     "\"type\":\"null\"}",
     {"null"},
     {"1"}},
};

static void values_are_allowed_or_not(void **state) {
    (void)state;
    hl_token_trie *trie = gf_trie();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hl_grammar *g = gf_compile(HL_FORMAT_SCHEMA, rows[i].schema);
        for (int k = 0; k < 9 && rows[i].good[k]; k++)
            if (!gf_accepts(g, trie, rows[i].good[k]))
                fail_msg("%s: refuses %s", rows[i].schema, rows[i].good[k]);
        for (int k = 0; k < 9 && rows[i].bad[k]; k++)
            if (gf_accepts(g, trie, rows[i].bad[k]))
                fail_msg("%s: allows %s", rows[i].schema, rows[i].bad[k]);
        hl_grammar_unref(g);
    }
    hl_token_trie_free(trie);
}

static uint32_t next_random(uint32_t *seed) { return *seed = *seed * 1664525u + 1013904223u; }

/* One of the tokens that may come; those that close something are preferred, so that it ends. */
static int32_t pick(const uint32_t *mask, uint32_t *seed) {
    int32_t may[GF_N_VOCAB], n = 0;
    for (int32_t id = 0; id < GF_N_VOCAB; id++) {
        if (!(mask[id / 32] >> (id % 32) & 1)) continue;
        if ((id == '"' || id == '}' || id == ']' || id == GF_END) && next_random(seed) >> 31) return id;
        may[n++] = id;
    }
    return n > 0 ? may[(next_random(seed) >> 8) % (uint32_t)n] : -1;
}

static void whatever_is_chosen_there_is_a_way_on(void **state) {
    (void)state;
    hl_token_trie *trie = gf_trie();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hl_grammar *g = gf_compile(HL_FORMAT_SCHEMA, rows[i].schema);
        for (uint32_t seed = 1; seed < 30; seed++) {
            hl_matcher *m = gf_match(g, trie);
            hl_str      said;
            uint32_t    random = seed * 7919;
            hl_str_init(&said, 1 << 16);
            for (int step = 0; step < 2000 && !hl_matcher_is_done(m); step++) {
                const int32_t id = pick(hl_matcher_allowed(m), &random);
                char          bytes[64];
                if (id < 0) fail_msg("%s: a dead end behind %s", rows[i].schema, hl_str_text(&said));
                if (id == GF_END) break;
                hl_str_add(&said, bytes, gf_piece(NULL, id, bytes, sizeof bytes));
                assert_true(hl_matcher_accept(m, id));
            }
            json_t *v = NULL;
            hl_err  err = {0};
            if (hl_matcher_may_end(m) && hl_json_parse_any(hl_str_view(&said), "value", &v, &err) != HL_OK)
                fail_msg("%s: %s: %s", rows[i].schema, hl_str_text(&said), err.text);
            json_decref(v);
            hl_str_done(&said);
            hl_matcher_free(m);
        }
        hl_grammar_unref(g);
    }
    hl_token_trie_free(trie);
}

static const struct {
    const char *schema;
    hl_status   status;
    const char *says;
} refusals[] = {
    {"[1]", HL_E_FORMAT, "#: expected a schema"},
    {"{\"type\":\"text\"}", HL_E_FORMAT, "#/type: expected"},
    {"{\"properties\":{\"a~/\":{\"minLength\":-1}},\"type\":\"object\"}", HL_E_FORMAT,
     "#/properties/a~0~1/minLength"},
    {"{\"properties\":{\"a\":{\"$recursiveRef\":\"#\"}},\"type\":\"object\"}", HL_E_ARG,
     "#/properties/a/$recursiveRef: this keyword"},
    {"{\"not\":{\"items\":[{\"const\":1}],\"additionalItems\":{\"type\":\"null\"}}}", HL_E_ARG,
     "#/not/items: with 'not'"},
    {"{\"type\":\"array\",\"allOf\":[{\"contains\":{\"const\":1}},{\"contains\":{\"const\":2}},{\"contains\":"
     "{\"const\":3}},{"
     "\"contains\":{\"const\":4}},{\"contains\":{\"const\":5}}]}",
     HL_E_ARG, "more than 4 times 'contains'"},
    {"{\"type\":\"array\",\"minContains\":9,\"contains\":{\"const\":1},\"allOf\":[{\"minContains\":9,"
     "\"contains\":true}]}",
     HL_E_ARG, "nor their combinations"},
    {"{\"not\":{\"unevaluatedItems\":false}}", HL_E_ARG, "#/not/unevaluatedItems: below 'not'"},
    {"{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":20},\"uniqueItems\":"
     "true}",
     HL_E_ARG, "#/uniqueItems: it can be enforced where items have at most 10 values"},
    {"{\"$id\":\"r\",\"$ref\":\"a#/"
     "x\",\"$defs\":{\"a\":{\"$id\":\"a\",\"x\":{\"$dynamicRef\":\"#n\"},\"$defs\":{\"n\":{\"$"
     "dynamicAnchor\":\"n\"}}},\"b\":{\"$id\":\"b\",\"$dynamicAnchor\":\"n\"}}}",
     HL_E_ARG, "#/x/$dynamicRef: which '$dynamicAnchor'"},
    {"{\"anyOf\":[{\"type\":\"array\",\"uniqueItems\":true}]}", HL_E_ARG, "#/anyOf/0/uniqueItems"},
    {"{\"$ref\":\"https://example.com/x\"}", HL_E_ARG,
     "#/$ref: 'https://example.com/x' is not in this schema"},
    {"{\"$ref\":\"#/$defs/none\"}", HL_E_FORMAT, "nothing is at '#/$defs/none'"},
    {"{\"$ref\":\"#\"}", HL_E_ARG, "leads to itself"},
    {"{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#\"}]}", HL_E_ARG, "leads to itself"},
    {"{\"type\":\"string\",\"minLength\":5,\"maxLength\":2}", HL_E_ARG, "no value matches"},
    {"{\"allOf\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}", HL_E_ARG, "no value matches"},
    {"{\"type\":\"integer\",\"minimum\":5,\"maximum\":2}", HL_E_ARG, "no value matches"},
    {"{\"type\":\"object\",\"properties\":{\"a\":false},\"required\":[\"a\"]}", HL_E_ARG, "no value matches"},
    {"{\"type\":\"string\",\"enum\":[1,2]}", HL_E_ARG, "no value matches"},
    {"{\"type\":\"string\",\"pattern\":\"(a\"}", HL_E_FORMAT, "#/pattern: regular expression, byte 3"},
    {"{\"type\":\"string\",\"pattern\":\"\\\\bx\"}", HL_E_ARG, "#/pattern: regular expression"},
    {"{\"type\":\"string\",\"format\":\"regex\"}", HL_E_ARG, "#/format: the format 'regex'"},
    {"{\"not\":{\"format\":\"date\"}}", HL_E_ARG, "#/not/format"},
    {"{\"oneOf\":[{\"type\":\"object\"},{\"type\":\"object\",\"additionalProperties\":false}]}", HL_E_ARG,
     "#/oneOf/1/additionalProperties"},
    {"{\"type\":\"object\",\"minProperties\":3}", HL_E_ARG, "#/minProperties"},
    {"{\"type\":\"number\",\"multipleOf\":0}", HL_E_FORMAT, "#/multipleOf"},
    {"{\"type\":\"string\",\"pattern\":\"^(a|b)*a(a|b){20}$\"}", HL_E_FULL, "#/pattern"},
    {"{\"type\":\"array\",\"items\":{\"$ref\":\"#/x\"},\"x\":{\"allOf\":[{\"$ref\":\"#/"
     "y\"}]},\"y\":{\"$ref\":\"#/x\"}}",
     HL_E_ARG, "leads to itself"},
    {"{", HL_E_FORMAT, "schema"},
};

static void refusals_name_the_keyword_and_its_place(void **state) {
    char why[HL_ERR_TEXT_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const hl_status status = gf_refused(HL_FORMAT_SCHEMA, refusals[i].schema, why);
        if (status != refusals[i].status || !strstr(why, refusals[i].says))
            fail_msg("%s: %s (%s)", refusals[i].schema, why, hl_status_name(status));
    }
}

/* Alternatives of alternatives of alternatives: an end within a second or two, and words. */
static void bombs_are_refused(void **state) {
    hl_str s;
    char   why[HL_ERR_TEXT_BYTES];
    (void)state;
    hl_str_init(&s, 1 << 20);
    hl_str_add_text(&s, "{\"allOf\":[");
    for (int i = 0; i < 40; i++)
        hl_str_add_format(&s, "%s{\"anyOf\":[{\"properties\":{\"a%d\":{}}},{\"properties\":{\"b%d\":{}}}]}",
                          i ? "," : "", i, i);
    hl_str_add_text(&s, "]}");
    assert_int_equal(gf_refused(HL_FORMAT_SCHEMA, hl_str_text(&s), why), HL_E_FULL);
    hl_str_clear(&s);
    for (int i = 0; i < 150; i++) hl_str_add_text(&s, "{\"not\":");
    hl_str_add_text(&s, "{\"type\":\"object\",\"maxProperties\":900000000}");
    for (int i = 0; i < 150; i++) hl_str_add_char(&s, '}');
    assert_int_equal(gf_refused(HL_FORMAT_SCHEMA, hl_str_text(&s), why), HL_E_FULL);
    hl_str_clear(&s);
    hl_str_add_text(&s, "{\"type\":\"object\",\"patternProperties\":{");
    for (int i = 0; i < 20; i++) hl_str_add_format(&s, "%s\"%c\":{}", i ? "," : "", 'a' + i);
    hl_str_add_text(&s, "}}");
    assert_int_equal(gf_refused(HL_FORMAT_SCHEMA, hl_str_text(&s), why), HL_E_FULL);
    hl_str_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_allowed_or_not),
        cmocka_unit_test(whatever_is_chosen_there_is_a_way_on),
        cmocka_unit_test(refusals_name_the_keyword_and_its_place),
        cmocka_unit_test(bombs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
