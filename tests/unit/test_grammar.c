/* SPDX-License-Identifier: MIT
 *
 * test_grammar.c - grammars, regular expressions and choices: which texts they allow, which tokens may come,
 * and what is refused.
 */
#include "tests/unit/grammar_fixture.h"

#include "core/base/stop.h"

typedef struct row {
    hl_format_kind kind;
    const char    *text;
    const char    *good[8], *bad[8];
} row;

static const row rows[] = {
    {HL_FORMAT_GBNF,
     "root ::= \"a\" (b | \"c\")* d{2,3}\nb ::= [0-9]+ # digits\nd ::= \"z\"",
     {"azz", "a12czz", "accc9zzz"},
     {"az", "azzzz", "a1", "bzz", ""}},
    {HL_FORMAT_GBNF,
     "root ::= item (\",\" item)*\nitem ::= \"(\" root \")\" | [a-c]",
     {"a", "(a,b),c", "((((a))))"},
     {"(a", "a,", "()", "d"}},
    {HL_FORMAT_GBNF,
     "root ::= [^\"\\\\\\x00-\\x1f]{1,3} \"\\u20ac\"?",
     {"ab", "\xC3\xA9\xE2\x82\xAC", "\xF0\x9F\x98\x80"},
     {"", "abcd", "\xC3", "a\n"}},
    {HL_FORMAT_GBNF,
     "root ::= x x\nx ::= \"a\"? \"b\"?",
     {"", "a", "ab", "ba", "abab"},
     {"bb"
      "b",
      "aba"
      "a"}},
    {HL_FORMAT_GBNF,
     "root ::= \"x\"{40,1000}",
     {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
     {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy"}},
    {HL_FORMAT_GBNF,
     "root ::= s\ns ::= \"a\" s \"b\" | \"a\" s \"c\" | \"d\"",
     {"d", "aaadbcb"},
     {"aadb", "adbb", "a"}},
    {HL_FORMAT_GBNF, "root ::= ws \"x\"\nws ::= | \" \" ws", {"x", "     x"}, {"     ", "x "}},
    {HL_FORMAT_GBNF,
     "root ::= %free \"<tool_call>\" (%mark \"<tool_call>\" %json {\"type\": \"integer\"} %free "
     "\"<tool_call>\")*",
     {"", "any text < at <tool all", "x <tool_call>12 y <tool_call>3", "<<tool_call>4"},
     {"<tool_call>", "<tool_call>x", "a <tool_call>1<tool_call>"}},
    {HL_FORMAT_REGEX, "[a-z]{1,3}\\d+", {"a1", "abc123"}, {"abcd1", "a", "1", "a1b"}},
    {HL_FORMAT_REGEX, "^(yes|no|maybe so)$", {"yes", "no", "maybe so"}, {"maybe", "yesno", ""}},
    {HL_FORMAT_REGEX,
     "^(?=.*[A-Z])(?=.*\\d)(?!.*x).{4,6}$",
     {"aA1b", "1234A5"},
     {"aaa1", "AAAA", "A1", "A1xxx", "A123456"}},
    {HL_FORMAT_REGEX, "(a|b)*abb", {"abb", "aababb"}, {"ab", "abba"}},
    {HL_FORMAT_REGEX, "\\p{Lu}\\w*[^\\s,]", {"Ab", "\xC3\x89x!"}, {"ab", "A", "A "}},
    {HL_FORMAT_CHOICE, "[\"yes\", \"no\", \"not now\"]", {"yes", "no", "not now"}, {"not", "yesno", "maybe"}},
    {HL_FORMAT_JSON,
     "",
     {"{}", "{\"a\": [1, {\"b\": null}], \"c\": \"\\ud83d\\ude00\"}", " {\n  \"a\":-0.5e-7\n}"},
     {"[]", "1", "{\"a\"}", "{\"a\":01}", "{\"a\" : 1}", "{\"a\":\"\n\"}", "{\"a\":\"\\ud83d\"}", "{}{}"}},
};

static void texts_are_allowed_or_not(void **state) {
    (void)state;
    hl_token_trie *trie = gf_trie();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hl_grammar *g = gf_compile(rows[i].kind, rows[i].text);
        for (int k = 0; k < 8 && rows[i].good[k]; k++)
            if (!gf_accepts(g, trie, rows[i].good[k]))
                fail_msg("%s: refuses '%s'", rows[i].text, rows[i].good[k]);
        for (int k = 0; k < 8 && rows[i].bad[k]; k++)
            if (gf_accepts(g, trie, rows[i].bad[k]))
                fail_msg("%s: allows '%s'", rows[i].text, rows[i].bad[k]);
        hl_grammar_unref(g);
    }
    hl_token_trie_free(trie);
}

/* ---- masks: each token of the vocabulary, tried byte by byte ---- */

static const row masked[] = {
    {HL_FORMAT_JSON, "", {0}, {0}},
    {HL_FORMAT_SCHEMA,
     "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":2,\"maxLength\":5},"
     "\"n\":{\"type\":\"integer\"},\"t\":{\"type\":\"array\",\"items\":{\"enum\":[\"red\",\"a\"]},"
     "\"maxItems\":2}},"
     "\"required\":[\"name\"]}",
     {0},
     {0}},
    {HL_FORMAT_SCHEMA,
     "{\"anyOf\":[{\"type\":\"string\",\"pattern\":\"^a+b?$\"},{\"type\":\"string\",\"maxLength\":3}]}",
     {0},
     {0}},
    {HL_FORMAT_SCHEMA,
     "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}},"
     "\"minItems\":1,"
     "\"maxItems\":3}",
     {0},
     {0}},
    {HL_FORMAT_GBNF, "root ::= %free \"<tool_call>\" %mark \"<tool_call>\" %json true", {0}, {0}},
    {HL_FORMAT_GBNF, "root ::= \"[\" ([^\\]\\n]* \"\\n\"){1,4} \"]\"", {0}, {0}},
    {HL_FORMAT_GBNF,
     "root ::= (x y | x \"zz\\\"]\")+\nx ::= [a-z]{1,100}\ny ::= [0-9,. ]{0,90} \"\\\"\"",
     {0},
     {0}},
};

static bool token_fits(hl_grammar *g, hl_token_trie *trie, const hl_str *said, int32_t id) {
    hl_matcher *m = gf_match(g, trie);
    bool        ok = hl_matcher_accept_bytes(m, hl_str_text(said), said->len);
    if (id == GF_END)
        ok = ok && hl_matcher_may_end(m);
    else
        ok = ok && hl_matcher_accept(m, id);
    hl_matcher_free(m);
    return ok;
}

static void add_bytes(hl_str *said, int32_t id) {
    char         bytes[64];
    const size_t n = gf_piece(NULL, id, bytes, sizeof bytes);
    const bool   is_control = gf_role(NULL, id) == HL_TOKEN_CONTROL;
    if (is_control) hl_str_add_char(said, (char)0xFF);
    hl_str_add(said, bytes, n);
    if (is_control) hl_str_add_char(said, (char)0xFE);
}

static uint32_t next_random(uint32_t *seed) { return *seed = *seed * 1664525u + 1013904223u; }

/* A walk through the grammar: at each step the mask is what trying each token says, and never empty. */
static void walk(const row *r, hl_grammar *g, hl_token_trie *trie, uint32_t seed) {
    hl_matcher *m = gf_match(g, trie);
    hl_str      said;
    hl_str_init(&said, 1 << 16);
    for (int step = 0; step < 20 && !hl_matcher_is_done(m); step++) {
        const uint32_t *mask = hl_matcher_allowed(m);
        int32_t         may[GF_N_VOCAB];
        uint32_t        n = 0;
        for (int32_t id = 0; id < GF_N_VOCAB; id++) {
            const bool is = mask[id / 32] >> (id % 32) & 1;
            if (is != token_fits(g, trie, &said, id))
                fail_msg("%s: behind '%s' the mask %s token %d", r->text, hl_str_text(&said),
                         is ? "has" : "lacks", id);
            if (is && id != GF_END && (id >= 256 || next_random(&seed) >> 28 == 0)) may[n++] = id;
            if (is && id != GF_END && n == 0) may[0] = id;
        }
        const bool can_end = mask[GF_END / 32] >> (GF_END % 32) & 1;
        if (n == 0 && can_end) break;
        if (n == 0) n = 1; /* what was seen last */
        const int32_t id = may[(next_random(&seed) >> 8) % n];
        assert_true(hl_matcher_accept(m, id));
        add_bytes(&said, id);
    }
    hl_str_done(&said);
    hl_matcher_free(m);
}

static void a_mask_is_what_trying_each_token_says(void **state) {
    (void)state;
    hl_token_trie *trie = gf_trie();
    for (size_t i = 0; i < sizeof masked / sizeof *masked; i++) {
        hl_grammar *g = gf_compile(masked[i].kind, masked[i].text);
        for (uint32_t seed = 1; seed <= 3; seed++) walk(&masked[i], g, trie, seed);
        hl_grammar_unref(g);
    }
    hl_token_trie_free(trie);
}

static void control_tokens_come_where_they_are_named(void **state) {
    (void)state;
    hl_token_trie *trie = gf_trie();
    hl_grammar *g = gf_compile(HL_FORMAT_GBNF, "root ::= %free \"<tool_call>\" %mark \"<tool_call>\" \"x\"");
    hl_matcher *m = gf_match(g, trie);
    assert_true(hl_matcher_accept(m, GF_THINK)); /* free text has it as any other */
    assert_true(hl_matcher_accept(m, 'a'));
    assert_true(hl_matcher_accept(m, GF_CALL));
    assert_true(hl_matcher_accept(m, 'x'));
    assert_true(hl_matcher_is_done(m));
    hl_matcher_free(m);
    hl_grammar_unref(g);
    g = gf_compile(HL_FORMAT_JSON, "");
    m = gf_match(g, trie);
    const uint32_t *mask = hl_matcher_allowed(m);
    assert_false(mask[GF_CALL / 32] >> (GF_CALL % 32) & 1);
    assert_false(mask[GF_END / 32] >> (GF_END % 32) & 1);
    assert_true(mask['{' / 32] >> ('{' % 32) & 1);
    hl_matcher_free(m);
    hl_grammar_unref(g);
    hl_token_trie_free(trie);
}

static void reasoning_stands_in_front(void **state) {
    (void)state;
    static const struct {
        const char *lead, *good, *bad;
    } leads[] = {
        {NULL, "{}", "<think>a</think>{}"},
        {"root ::= (%mark \"<think>\" %free \"</think>\" %mark \"</think>\" \"\\n\"{0,2})? %answer", "{}",
         "a{}"},
        {"root ::= (%mark \"<think>\" %free \"</think>\" %mark \"</think>\" \"\\n\"{0,2})? %answer",
         "<think>{ }</thin </think>\n\n{}", "<think>{}"},
        {"root ::= %free \"</think>\" %mark \"</think>\" %answer", "I {think}</think>{}", "{}"},
    };
    hl_token_trie *trie = gf_trie();
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++) {
        hl_grammar *g = gf_compile_lead(HL_FORMAT_JSON, "", leads[i].lead);
        if (!gf_accepts(g, trie, leads[i].good)) fail_msg("lead %zu refuses '%s'", i, leads[i].good);
        if (gf_accepts(g, trie, leads[i].bad)) fail_msg("lead %zu allows '%s'", i, leads[i].bad);
        hl_grammar_unref(g);
    }
    hl_token_trie_free(trie);
}

static void what_must_come_is_known(void **state) {
    (void)state;
    hl_token_trie *trie = gf_trie();
    hl_grammar    *g =
        gf_compile(HL_FORMAT_SCHEMA, "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"null\"}},"
                                     "\"required\":[\"name\"],\"additionalProperties\":false}");
    hl_matcher *m = gf_match(g, trie);
    char        buf[64];
    int32_t     ids[8];
    assert_int_equal(hl_matcher_forced(m, buf, sizeof buf), 0); /* a space may stand in front */
    assert_true(hl_matcher_accept(m, GF_FIRST_WORD));           /* {" */
    assert_int_equal(hl_matcher_forced(m, buf, sizeof buf), 6);
    assert_memory_equal(buf, "name\":", 6);
    assert_int_equal(hl_matcher_forced_tokens(m, ids, 8), 1);
    assert_string_equal(gf_words[ids[0] - GF_FIRST_WORD], "name\":");
    assert_true(hl_matcher_accept(m, ids[0]));
    assert_int_equal(hl_matcher_forced(m, buf, sizeof buf), 0); /* a space, or not */
    assert_true(hl_matcher_accept(m, ' '));
    assert_int_equal(hl_matcher_forced(m, buf, sizeof buf), 4);
    assert_true(hl_matcher_accept_bytes(m, "null}", 5));
    assert_true(hl_matcher_is_done(m));
    assert_int_equal(hl_matcher_forced(m, buf, sizeof buf), 0);
    hl_matcher_free(m);
    hl_grammar_unref(g);
    hl_token_trie_free(trie);
}

/* What a draft says is tried without a step: nothing is accepted, and what cannot come ends it. */
static void drafts_are_tried_and_nothing_is_accepted(void **state) {
    static const struct {
        int32_t ids[4];
        size_t  fits;
    } drafts[] = {
        {{'n', 'u', 'l', 'l'}, 4},    {{' ', 'n', 'u', 'x'}, 3}, {{'x', 'n', 'u', 'l'}, 0},
        {{'n', GF_END, 'u', 'l'}, 1}, {{'n', 'u', -1, 'l'}, 2},  {{'n', 'u', GF_N_VOCAB, 'l'}, 2},
    };
    (void)state;
    hl_token_trie *trie = gf_trie();
    hl_grammar    *g =
        gf_compile(HL_FORMAT_SCHEMA, "{\"properties\":{\"name\":{\"type\":\"null\"}},\"type\":\"object\","
                                     "\"required\":[\"name\"],\"additionalProperties\":false}");
    hl_matcher *m = gf_match(g, trie);
    assert_true(hl_matcher_accept_bytes(m, "{\"name\":", 8));
    for (size_t i = 0; i < sizeof drafts / sizeof *drafts; i++)
        assert_int_equal(hl_matcher_fits(m, drafts[i].ids, 4), drafts[i].fits);
    assert_int_equal(hl_matcher_fits(m, NULL, 0), 0);
    assert_true(hl_matcher_accept_bytes(m, "null}", 5));
    assert_int_equal(hl_matcher_fits(m, (const int32_t[]){GF_END, GF_END}, 2), 1); /* nothing is behind it */
    assert_true(hl_matcher_accept(m, GF_END));
    assert_int_equal(hl_matcher_fits(m, (const int32_t[]){GF_END}, 1), 0);
    hl_matcher_free(m);
    hl_grammar_unref(g);
    hl_token_trie_free(trie);
}

static void what_is_not_allowed_ends_it(void **state) {
    (void)state;
    hl_token_trie *trie = gf_trie();
    hl_grammar    *g = gf_compile(HL_FORMAT_JSON, "");
    hl_matcher    *m = gf_match(g, trie);
    assert_true(hl_matcher_accept(m, '{'));
    assert_false(hl_matcher_accept(m, 'x'));
    assert_false(hl_matcher_may_end(m));
    assert_false(hl_matcher_accept(m, '}'));
    const uint32_t *mask = hl_matcher_allowed(m);
    for (int i = 0; i < (GF_N_VOCAB + 31) / 32; i++) assert_int_equal(mask[i], 0);
    hl_matcher_free(m);
    m = gf_match(g, trie);
    assert_false(hl_matcher_accept(m, GF_END));
    hl_matcher_free(m);
    hl_grammar_unref(g);
    hl_token_trie_free(trie);
}

/* Deep texts: the stack grows and shrinks, and what is not needed is dropped on the way. */
static void depth_is_no_matter(void **state) {
    (void)state;
    hl_token_trie *trie = gf_trie();
    hl_grammar    *g = gf_compile(HL_FORMAT_GBNF, "root ::= \"(\" root \")\" | [a-z]+");
    hl_matcher    *m = gf_match(g, trie);
    for (int i = 0; i < 5000; i++) assert_true(hl_matcher_accept(m, '('));
    for (int i = 0; i < 5000; i++) assert_true(hl_matcher_accept(m, 'a'));
    for (int i = 0; i < 4999; i++) assert_true(hl_matcher_accept(m, ')'));
    assert_false(hl_matcher_may_end(m));
    assert_true(hl_matcher_accept(m, ')'));
    assert_true(hl_matcher_is_done(m));
    hl_matcher_free(m);
    hl_grammar_unref(g);
    hl_token_trie_free(trie);
}

typedef struct refusal {
    hl_format_kind kind;
    const char    *text;
    hl_status      status;
    const char    *says;
} refusal;

static const refusal refusals[] = {
    {HL_FORMAT_GBNF, "root ::= root \"a\" | \"b\"", HL_E_ARG, "'root' begins with itself"},
    {HL_FORMAT_GBNF, "root ::= x? y\nx ::= \"a\"\ny ::= x? z\nz ::= x? y \"c\" | \"d\"", HL_E_ARG,
     "begins with itself"},
    {HL_FORMAT_GBNF, "root ::= \"a\" root", HL_E_ARG, "allows no text"},
    {HL_FORMAT_GBNF, "root ::= \"a\" x", HL_E_FORMAT, "line 1: there is no rule 'x'"},
    {HL_FORMAT_GBNF, "x ::= \"a\"", HL_E_FORMAT, "no rule 'root'"},
    {HL_FORMAT_GBNF, "root ::= \"a\nb", HL_E_FORMAT, "not closed"},
    {HL_FORMAT_GBNF, "root ::= (\"a\"", HL_E_FORMAT, "expected ')'"},
    {HL_FORMAT_GBNF, "root ::= [z-a]", HL_E_FORMAT, "backwards"},
    {HL_FORMAT_GBNF, "root ::= \"a\"\nroot ::= \"b\"", HL_E_FORMAT, "defined twice"},
    {HL_FORMAT_GBNF, "root ::= (\"a\"?){500}", HL_E_ARG, "may be empty is repeated"},
    {HL_FORMAT_GBNF, "root ::= %json {\"type\": \"text\"}", HL_E_FORMAT, "#/type"},
    {HL_FORMAT_REGEX, "(a", HL_E_FORMAT, "not closed"},
    {HL_FORMAT_REGEX, "a)", HL_E_FORMAT, "without its '('"},
    {HL_FORMAT_REGEX, "(a)\\1", HL_E_ARG, "back references"},
    {HL_FORMAT_REGEX, "a\\b", HL_E_ARG, "\\b cannot"},
    {HL_FORMAT_REGEX, "a(?=b)", HL_E_ARG, "lookahead"},
    {HL_FORMAT_REGEX, "(?<=a)b", HL_E_ARG, "lookbehind"},
    {HL_FORMAT_REGEX, "*a", HL_E_FORMAT, "nothing to repeat"},
    {HL_FORMAT_REGEX, "((a{1,1000}){1,1000}){1,1000}", HL_E_FULL, "repeat"},
    {HL_FORMAT_REGEX, "((){1000000}){1000000}", HL_E_FULL, "repeat"},
    {HL_FORMAT_REGEX, "(.*a.{18})", HL_E_FULL, "states"},
    {HL_FORMAT_REGEX, "[]", HL_E_ARG, "allows no text"},
    {HL_FORMAT_CHOICE, "[]", HL_E_FORMAT, "expected a list"},
    {HL_FORMAT_CHOICE, "[\"a\", 1]", HL_E_FORMAT, "choice[1]"},
};

static void refusals_say_why(void **state) {
    char why[HL_ERR_TEXT_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const refusal  *r = &refusals[i];
        const hl_status status = gf_refused(r->kind, r->text, why);
        if (status != r->status || !strstr(why, r->says))
            fail_msg("%s: %s (%s)", r->text, why, hl_status_name(status));
    }
}

static void a_signal_ends_the_compiler(void **state) {
    volatile int flag = 1;
    char         why[HL_ERR_TEXT_BYTES];
    (void)state;
    const volatile int *before = hl_stop_watch(&flag);
    assert_int_equal(gf_refused(HL_FORMAT_SCHEMA, "{\"type\":\"object\"}", why), HL_E_CANCEL);
    assert_int_equal(gf_refused(HL_FORMAT_GBNF, "root ::= \"a\"", why), HL_E_CANCEL);
    assert_int_equal(gf_refused(HL_FORMAT_REGEX, "a", why), HL_E_CANCEL);
    /* 150 values are less than it walks through between two looks, so the search for the anchor is what
     * ends; 1,000 end the search for resources. */
    for (int n = 150; n <= 1000; n += 850) {
        hl_str s;
        hl_str_init(&s, 1 << 20);
        hl_str_add_text(&s, "{\"$ref\":\"#nowhere\",\"$defs\":{");
        for (int i = 0; i < n; i++) hl_str_add_format(&s, "%s\"a%d\":{}", i ? "," : "", i);
        hl_str_add_text(&s, "}}");
        assert_int_equal(gf_refused(HL_FORMAT_SCHEMA, hl_str_text(&s), why), HL_E_CANCEL);
        flag = 0;
        assert_int_equal(gf_refused(HL_FORMAT_SCHEMA, hl_str_text(&s), why), HL_E_FORMAT);
        flag = 1;
        hl_str_done(&s);
    }
    hl_stop_watch(before);
}

static size_t only_a(void *user, int32_t id, char *buf, size_t cap) {
    (void)user;
    if (cap > 0) buf[0] = 'a';
    return id == 0;
}

static void a_vocabulary_that_cannot_begin_is_an_error(void **state) {
    (void)state;
    const hl_grammar_tokens t = {.n_vocab = 2, .piece = only_a, .role = gf_role};
    hl_token_trie          *trie = NULL;
    hl_matcher             *m = NULL;
    hl_err                  err = {0};
    hl_grammar             *g = gf_compile(HL_FORMAT_JSON, "");
    assert_int_equal(hl_token_trie_new(&t, &trie, &err), HL_OK);
    assert_int_equal(hl_matcher_new(g, trie, &m, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "no token"));
    hl_grammar_unref(g);
    hl_token_trie_free(trie);
}

/* Thousands of alternatives, and of properties that may all be left out. */
static void many_ways_are_few_places(void **state) {
    (void)state;
    enum { N = 5000, N_PROPERTIES = 4000 };
    hl_token_trie *trie = gf_trie();
    hl_str         gbnf, schema;
    hl_str_init(&gbnf, 1 << 20);
    hl_str_init(&schema, 1 << 20);
    hl_str_add_text(&gbnf, "root ::= ( ");
    for (int i = 0; i < N; i++) hl_str_add_format(&gbnf, "%s\"tool_%d\" ", i ? "| " : "", i);
    hl_str_add_text(&gbnf, ") \"!\"");
    hl_grammar *g = gf_compile(HL_FORMAT_GBNF, hl_str_text(&gbnf));
    assert_true(gf_accepts(g, trie, "tool_0!") && gf_accepts(g, trie, "tool_4999!") &&
                gf_accepts(g, trie, "tool_49!"));
    assert_false(gf_accepts(g, trie, "tool_5000!") || gf_accepts(g, trie, "tool_!") ||
                 gf_accepts(g, trie, "tool_7"));
    hl_grammar_unref(g);
    hl_str_add_text(&schema, "{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < N_PROPERTIES; i++)
        hl_str_add_format(&schema, "%s\"p%d\":{\"type\":\"null\"}", i ? "," : "", i);
    hl_str_add_text(&schema, "},\"required\":[\"p7\"]}");
    g = gf_compile(HL_FORMAT_SCHEMA, hl_str_text(&schema));
    assert_true(gf_accepts(g, trie, "{\"p7\":null}") &&
                gf_accepts(g, trie, "{\"p0\":null,\"p7\":null,\"p3999\":null}"));
    assert_false(gf_accepts(g, trie, "{\"p3999\":null}") || gf_accepts(g, trie, "{\"p7\":null,\"p0\":null}"));
    hl_grammar_unref(g);
    hl_str_done(&gbnf);
    hl_str_done(&schema);
    hl_token_trie_free(trie);
}

/* Texts share their beginnings where they stand behind one another, and nothing else. */
static void shared_beginnings_lead_on_as_they_did(void **state) {
    (void)state;
    static const struct {
        const char *text, *good[5], *bad[6];
    } all[] = {
        {"root ::= (\"ab\" \"x\" | \"ab\" \"y\" | \"abc\" | \"a\" \"bd\")",
         {"abx", "aby", "abc", "abd"},
         {"ab", "abcx", "abdx", "a", "abxy"}},
        {"root ::= (\"ab\" root | \"ac\")", {"ac", "abac", "ababac"}, {"a", "ab", "acab", "aac"}},
        {"root ::= (\"ab\" | \"ac\")* \"ad\"", {"ad", "abad", "acabad"}, {"ab", "a", "adad", "aad"}},
    };
    hl_token_trie *trie = gf_trie();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        hl_grammar *g = gf_compile(HL_FORMAT_GBNF, all[i].text);
        for (size_t k = 0; k < 5 && all[i].good[k]; k++)
            if (!gf_accepts(g, trie, all[i].good[k])) fail_msg("%zu refuses %s", i, all[i].good[k]);
        for (size_t k = 0; k < 6 && all[i].bad[k]; k++)
            if (gf_accepts(g, trie, all[i].bad[k])) fail_msg("%zu allows %s", i, all[i].bad[k]);
        hl_grammar_unref(g);
    }
    hl_token_trie_free(trie);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_allowed_or_not),
        cmocka_unit_test(a_mask_is_what_trying_each_token_says),
        cmocka_unit_test(control_tokens_come_where_they_are_named),
        cmocka_unit_test(reasoning_stands_in_front),
        cmocka_unit_test(what_must_come_is_known),
        cmocka_unit_test(drafts_are_tried_and_nothing_is_accepted),
        cmocka_unit_test(what_is_not_allowed_ends_it),
        cmocka_unit_test(depth_is_no_matter),
        cmocka_unit_test(many_ways_are_few_places),
        cmocka_unit_test(shared_beginnings_lead_on_as_they_did),
        cmocka_unit_test(refusals_say_why),
        cmocka_unit_test(a_signal_ends_the_compiler),
        cmocka_unit_test(a_vocabulary_that_cannot_begin_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
