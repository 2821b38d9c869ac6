/* SPDX-License-Identifier: MIT
 *
 * test_draft_files.c - files that were made to draft for a model: answers are the same with them and without,
 * whoever else runs, whatever is cached or refused; good drafts are accepted; and what does not fit is said.
 */
#include "tests/unit/draft_fixture.h"

#include "engine/forward/drafts.h"
#include "engine/sched/sched_priv.h"

enum { N_FILES = 4 };

/* RANDOM: weights by rule. Else the next token is the newest one plus 1, and the draft says so: of the newest
 * token, or (HIDDEN) of what the model made of the one before it, which is right for one token only. */
typedef enum kind { RANDOM, RIGHT, HIDDEN, N_KINDS } kind;

static const struct draft_row {
    const char *name, *target;
    bool        knows_token;  /* else there is no RIGHT */
    bool        knows_before; /* else there is no HIDDEN */
} files[N_FILES] = {{"gemma4-assistant", "gemma4", true, true},
                    {"eagle3", "llama", false, true},
                    {"dflash", "qwen35", false, false},
                    {"qwen35", "qwen35", true, true}}; /* the block alone, for the model without it */

static bool has_kind(size_t i, kind k) {
    return k == RANDOM || (k == RIGHT ? files[i].knows_token : files[i].knows_before);
}

static char paths[N_FILES][N_KINDS][2][80]; /* of the target, of the draft */

static void make_assistant(json_t *draft, kind k) {
    enum { WIDTH = 48 };
    give_part(tensor_of(draft, "nextn.pre_projection.weight", 2 * N_EMBD, WIDTH), 2 * N_EMBD, WIDTH,
              k == HIDDEN ? N_EMBD : 0);
    give_values(tensor_of(draft, "token_embd.weight", WIDTH, N_VOCAB),
                embeddings(k == HIDDEN ? 2 : 1, WIDTH));
}

/* The stream that enters the model's first layer is the embedding of the token before. */
static void make_eagle3(json_t *draft) {
    give_part(tensor_of(draft, "fc.weight", 3 * N_EMBD, N_EMBD), 3 * N_EMBD, N_EMBD, 0);
    give_values(tensor_of(draft, "output.weight", N_EMBD, N_VOCAB), embeddings(2, N_EMBD));
}

static void make_right(json_t *target, json_t *draft, const char *name, kind k) {
    make_successor(target);
    silence(draft);
    if (strcmp(name, "gemma4-assistant") == 0) make_assistant(draft, k);
    if (strcmp(name, "eagle3") == 0) make_eagle3(draft);
    if (strcmp(name, "qwen35") == 0) make_next(draft, k == HIDDEN);
}

/* The model without the block behind its layers, or that block alone. */
static void keep_block(json_t *model, bool is_kept) {
    json_t *tensors = json_object_get(model, "tensors");
    for (size_t i = json_array_size(tensors); i-- > 0;) {
        const char *name = json_string_value(json_array_get(json_array_get(tensors, i), 0));
        if ((strncmp(name, "blk.4.", 6) == 0) != is_kept) (void)json_array_remove(tensors, i);
    }
}

static void write_pair(json_t *target, json_t *draft, size_t i, int k) {
    json_t *models[2] = {target, draft};
    for (int f = 0; f < 2; f++) {
        (void)snprintf(paths[i][k][f], sizeof paths[i][k][f], "/tmp/hl-draft-files-%zu-%d-%d-%d.gguf", i, k,
                       f, (int)getpid());
        fill_by_rules(models[f], f == 1 && k == RANDOM ? HL_TYPE_q8_0 : HL_TYPE_f32, paths[i][k][f]);
        json_decref(models[f]);
    }
}

static int write_models(void **state) {
    (void)state;
    for (size_t i = 0; i < N_FILES; i++)
        for (int k = 0; k < N_KINDS; k++) {
            if (!has_kind(i, (kind)k)) continue;
            json_t *target = load_model(files[i].target), *draft = load_model(files[i].name);
            if (k != RANDOM) make_right(target, draft, files[i].name, (kind)k);
            if (strcmp(files[i].name, files[i].target) == 0) {
                keep_block(target, false);
                keep_block(draft, true);
            }
            write_pair(target, draft, i, k);
        }
    return 0;
}

static int remove_models(void **state) {
    (void)state;
    for (size_t i = 0; i < N_FILES; i++)
        for (int k = 0; k < N_KINDS; k++)
            for (int f = 0; f < 2; f++)
                if (has_kind(i, (kind)k)) (void)unlink(paths[i][k][f]);
    return 0;
}

typedef struct setup {
    hl_engine *e;
    hl_model  *m, *draft;
} setup;

static hl_model *open_file(hl_engine *e, const char *path) {
    hl_err    err = {0};
    hl_model *m = NULL;
    if (hl_model_open(e, &path, 1, NULL, &m, &err) != HL_OK) fail_msg("%s", err.text);
    return m;
}

static setup open_pair(size_t i, kind k, const char *cpu) {
    setup  x = {0};
    hl_err err = {0};
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2, .cpu = cpu}, &x.e, &err), HL_OK);
    x.m = open_file(x.e, paths[i][k][0]);
    x.draft = open_file(x.e, paths[i][k][1]);
    return x;
}

static void close_pair(setup *x) {
    hl_model_close(x->draft);
    hl_model_close(x->m);
    hl_engine_free(x->e);
}

static answer plain[N_REQUESTS], drafted[N_REQUESTS];

static void their_drafts_change_no_answer(void **state) {
    (void)state;
    for (size_t i = 0; i < N_FILES; i++)
        for (int k = 0; k < N_KINDS; k++) {
            if (!has_kind(i, (kind)k)) continue;
            setup           x = open_pair(i, (kind)k, test_cpu());
            int32_t         n_drafted = 0;
            hl_sched_params p = {.draft = x.draft, .speculate = HL_SPECULATE_ALWAYS};
            ask_all(x.m, (hl_sched_params){.speculate = HL_SPECULATE_OFF}, plain);
            ask_all(x.m, p, drafted);
            check_same(plain, drafted);
            for (int r = 0; r < N_REQUESTS; r++) n_drafted += drafted[r].usage.drafted_tokens;
            assert_true(n_drafted > 0);
            assert_int_equal(drafted[5].usage.drafted_tokens, 0);
            p.n_batch = 40; /* few rows at once, and requests that wait for one another */
            p.n_running_cap = 3;
            ask_all(x.m, p, drafted);
            check_same(plain, drafted);
            p = (hl_sched_params){.draft = x.draft};
            ask_all(x.m, p, drafted);
            check_same(plain, drafted);
            close_pair(&x);
        }
}

static void good_drafts_of_files_are_accepted(void **state) {
    (void)state;
    for (size_t i = 0; i < N_FILES; i++)
        for (int k = RIGHT; k < N_KINDS; k++) {
            if (!has_kind(i, (kind)k)) continue;
            setup x = open_pair(i, (kind)k, test_cpu());
            ask_all(x.m, (hl_sched_params){.draft = x.draft, .speculate = HL_SPECULATE_ALWAYS}, drafted);
            check_accepted(drafted, files[i].name, k == RIGHT);
            close_pair(&x);
        }
}

/* What is cached of a prompt has what drafts with it. */
static void a_prompt_that_is_cached_is_drafted_for(void **state) {
    (void)state;
    for (size_t i = 0; i < N_FILES; i++) {
        if (!has_kind(i, HIDDEN)) continue;
        setup                 x = open_pair(i, HIDDEN, test_cpu());
        hl_sched             *s = NULL;
        hl_err                err = {0};
        int32_t               prompt[N_PROMPT];
        const hl_sched_params p = {.draft = x.draft, .speculate = HL_SPECULATE_ALWAYS, .n_ctx = N_CTX};
        for (int32_t k = 0; k < N_PROMPT; k++) prompt[k] = (k * k + 5 * k) % N_VOCAB;
        if (hl_sched_new(x.m, &p, &s, &err) != HL_OK) fail_msg("%s", err.text);
        for (int round = 0; round < 3; round++) {
            hl_sched_request r;
            hl_usage         usage;
            hl_sched_request_init(&r);
            r.tokens = prompt;
            r.n_tokens = N_PROMPT - (round == 2);
            r.max_tokens = 40;
            r.ignore_eog = true;
            r.sampling.temperature = 0;
            assert_int_equal(hl_sched_run(s, &r, &usage, &err), HL_OK);
            assert_true((usage.cached_tokens > 0) == (round > 0));
            assert_true(usage.accepted_tokens >= 40 / 3);
        }
        hl_sched_free(s);
        close_pair(&x);
    }
}

/* ---- the cache ---- */

enum { N_SEEN = 4 * HL_KV_PAGE_TOKENS, BLOCK_CAP = 1 << 19 };

/* Passes over the tokens at once, by the target and by what drafts. */
static hl_kv_pool *compute(const hl_model *m, const hl_model *d, const int32_t *tokens, hl_seq *seq) {
    static int32_t      pos[N_SEEN];
    static hl_seq      *seqs[N_SEEN];
    static const float *before[N_SEEN];
    static uint32_t     states[N_SEEN];
    hl_err              err = {0};
    hl_kv_pool         *pool = NULL;
    hl_forward         *of_target = NULL, *of_draft = NULL;
    const size_t        n = hl_hidden_cols(&d->hp);
    const bool          own = d->drafting->reading == HL_DRAFT_READS_OWN;
    float              *hidden = hl_new(N_SEEN * n, sizeof *hidden), none;
    assert_non_null(hidden);
    assert_int_equal(hl_forward_kv_new(m, d, HL_KV_CACHE_F16, 8, 2, &pool, &err), HL_OK);
    assert_int_equal(hl_forward_new(m, N_SEEN, N_CTX, &of_target, &err), HL_OK);
    assert_int_equal(hl_forward_new(d, N_SEEN, N_CTX, &of_draft, &err), HL_OK);
    assert_int_equal(hl_seq_init(seq, pool, N_CTX, &err), HL_OK);
    assert_true(hl_seq_reserve(seq, N_SEEN));
    for (int32_t i = 0; i < N_SEEN; i++) {
        pos[i] = i;
        seqs[i] = seq;
        states[i] = HL_NO_STATE;
        before[i] = own ? hidden + (size_t)i * n : i > 0 ? hidden + (size_t)(i - 1) * n : NULL;
    }
    hl_batch b = {.n_rows = N_SEEN, .tokens = tokens, .pos = pos, .seqs = seqs, .state_out = states};
    b.hidden = hidden;
    b.hidden_of = &d->hp.reads;
    assert_int_equal(hl_forward_eval(of_target, &b, NULL, &none, &err), HL_OK);
    b.hidden = NULL;
    b.before = before;
    assert_int_equal(hl_forward_eval(of_draft, &b, NULL, &none, &err), HL_OK);
    hl_forward_free(of_target);
    hl_forward_free(of_draft);
    hl_free(hidden);
    return pool;
}

/* Whole blocks of both, byte by byte. */
static void check_blocks(hl_kv_pool *a, const hl_seq *x, hl_kv_pool *b, const hl_seq *y, uint32_t n) {
    static uint8_t bytes[2][BLOCK_CAP];
    const size_t   size = hl_kv_pool_block_bytes(a);
    hl_err         err = {0};
    assert_int_equal(size, hl_kv_pool_block_bytes(b));
    assert_in_range(size, 1, BLOCK_CAP);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(hl_kv_block_read(a, x->blocks[i], 0, size, bytes[0], &err), HL_OK);
        assert_int_equal(hl_kv_block_read(b, y->blocks[i], 0, size, bytes[1], &err), HL_OK);
        assert_memory_equal(bytes[0], bytes[1], size);
    }
}

/* A prompt in chunks, an answer with drafts that are refused or accepted: what the tree has of them is what
 * one pass makes of all tokens. */
static void what_is_read_along_is_what_one_pass_makes(void **state) {
    (void)state;
    for (size_t i = 0; i < N_FILES; i++) {
        setup                 x = open_pair(i, RANDOM, test_cpu());
        hl_sched             *s = NULL;
        hl_err                err = {0};
        answer                a = {0};
        int32_t               tokens[N_PROMPT + N_ANSWER];
        hl_prefix_key         keys[N_PROMPT + N_ANSWER];
        hl_seq                mine, theirs;
        hl_prefix_node       *node = NULL;
        hl_sched_request      r;
        const hl_sched_params p = {
            .draft = x.draft, .speculate = HL_SPECULATE_ALWAYS, .n_ctx = N_CTX, .n_batch = 40};
        for (int32_t k = 0; k < N_PROMPT; k++) tokens[k] = (k * k + 5 * k) % N_VOCAB;
        if (hl_sched_new(x.m, &p, &s, &err) != HL_OK) fail_msg("%s", err.text);
        hl_sched_request_init(&r);
        r.tokens = tokens;
        r.n_tokens = N_PROMPT;
        r.max_tokens = N_ANSWER;
        r.ignore_eog = true;
        r.on_token = keep_token;
        r.user = &a;
        assert_int_equal(hl_sched_run(s, &r, NULL, &err), HL_OK);
        memcpy(tokens + N_PROMPT, a.ids, sizeof a.ids);
        for (int k = 0; k < N_PROMPT + N_ANSWER; k++) keys[k] = hl_prefix_key_of(tokens[k]);
        assert_int_equal(hl_seq_init(&theirs, s->pool, N_CTX, &err), HL_OK);
        const int32_t n = hl_prefix_tree_match(s->tree, hl_prefix_tree_root(s->tree), keys,
                                               N_PROMPT + N_ANSWER - 1, &theirs, &node);
        assert_true(n >= N_PROMPT / HL_KV_PAGE_TOKENS * HL_KV_PAGE_TOKENS);
        hl_kv_pool *pool = compute(x.m, s->drafting, tokens, &mine);
        check_blocks(s->pool, &theirs, pool, &mine, (uint32_t)n / HL_KV_PAGE_TOKENS);
        print_message("%s: %d of %d tokens\n", files[i].name, n, N_PROMPT + N_ANSWER);
        hl_seq_done(&mine);
        hl_kv_pool_free(pool);
        hl_seq_done(&theirs);
        hl_sched_free(s);
        close_pair(&x);
    }
}

/* ---- what does not fit ---- */

static void set_key(json_t *model, const char *key, json_t *value) {
    size_t  i = 0;
    json_t *pair = NULL;
    json_array_foreach(json_object_get(model, "kv"), i, pair) {
        if (strcmp(json_string_value(json_array_get(pair, 0)), key) == 0) {
            json_array_set_new(pair, 2, value);
            return;
        }
    }
    fail_msg("no key %s", key);
}

/* The words of the error that a draft ends in, opened and given to the model. */
static void check_refused(hl_engine *e, hl_model *m, json_t *draft, const char *words) {
    char        path[80];
    const char *paths_of_draft[] = {path};
    hl_err      err = {0};
    hl_model   *d = NULL;
    hl_sched   *s = NULL;
    (void)snprintf(path, sizeof path, "/tmp/hl-draft-bad-%d.gguf", (int)getpid());
    fill_by_rules(draft, HL_TYPE_f32, path);
    json_decref(draft);
    hl_status status = hl_model_open(e, paths_of_draft, 1, NULL, &d, &err);
    (void)unlink(path);
    if (status == HL_OK) status = hl_sched_new(m, &(hl_sched_params){.draft = d, .n_ctx = 128}, &s, &err);
    assert_int_not_equal(status, HL_OK);
    if (!strstr(err.text, words)) fail_msg("'%s', expected '%s'", err.text, words);
    hl_model_close(d);
}

static void remove_tensor(json_t *model, const char *name) {
    json_t *tensors = json_object_get(model, "tensors");
    for (size_t i = json_array_size(tensors); i-- > 0;)
        if (strcmp(json_string_value(json_array_get(json_array_get(tensors, i), 0)), name) == 0)
            (void)json_array_remove(tensors, i);
}

/* Of a tensor, one dimension. */
static void set_dim(json_t *model, const char *name, size_t i, int n) {
    json_array_set_new(json_array_get(tensor_of(model, name, 0, 0), 1), i, json_integer(n));
}

static void what_is_wrong_with_an_assistant_is_said(void **state) {
    static const char *const gone[] = {"nextn.pre_projection.weight", "nextn.post_projection.weight",
                                       "token_embd.weight", "blk.1.attn_q_norm.weight", "output_norm.weight"};
    char                     words[160];
    setup                    x = open_pair(0, RANDOM, test_cpu());
    (void)state;
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        json_t *draft = load_model("gemma4-assistant");
        remove_tensor(draft, gone[i]);
        (void)snprintf(words, sizeof words, "tensor '%s' is missing", gone[i]);
        check_refused(x.e, x.m, draft, words);
    }
    json_t *draft = load_model("gemma4-assistant");
    set_key(draft, "gemma4-assistant.embedding_length_out", json_integer(0));
    check_refused(x.e, x.m, draft, "'gemma4-assistant.embedding_length_out' is missing or 0");
    draft = load_model("gemma4-assistant");
    set_key(draft, "gemma4-assistant.embedding_length_out", json_integer(96));
    set_dim(draft, "nextn.pre_projection.weight", 0, 192);
    set_dim(draft, "nextn.post_projection.weight", 1, 96);
    check_refused(x.e, x.m, draft,
                  "n_embd is 96 (gemma4-assistant.embedding_length_out), and this one's is 64");
    draft = load_model("gemma4-assistant");
    set_dim(draft, "nextn.post_projection.weight", 1, 63);
    check_refused(x.e, x.m, draft, "tensor 'nextn.post_projection.weight' has the shape [63, 48]");
    draft = load_model("gemma4-assistant");
    set_dim(draft, "token_embd.weight", 1, 120);
    check_refused(x.e, x.m, draft, "a vocabulary of 120 tokens, and the model's has 128");
    draft = load_model("gemma4-assistant");
    set_key(draft, "gemma4-assistant.attention.head_count_kv", json_integer(2));
    check_refused(x.e, x.m, draft, "its layer 0 reads 2 heads of 16 and 16 keys and values, and layer ");
    draft = load_model("gemma4-assistant");
    set_key(draft, "gemma4-assistant.nextn_predict_layers", json_integer(2));
    check_refused(x.e, x.m, draft, "'gemma4-assistant.nextn_predict_layers' is 2, expected block_count (3)");
    draft = load_model("gemma4-assistant");
    set_key(draft, "gemma4-assistant.attention.sliding_window", json_integer(1));
    check_refused(x.e, x.m, draft, "window of its layer 0 is 1");
    check_refused(x.e, x.draft, load_model("gemma4-assistant"), "drafts for another model");
    close_pair(&x);
}

static void what_is_wrong_with_an_eagle_is_said(void **state) {
    static const char *const gone[] = {"fc.weight", "blk.0.attn_norm_2.weight", "blk.0.attn_k.weight",
                                       "output_norm.weight"};
    char                     words[160];
    setup                    x = open_pair(1, RANDOM, test_cpu());
    (void)state;
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        json_t *draft = load_model("eagle3");
        remove_tensor(draft, gone[i]);
        (void)snprintf(words, sizeof words, "tensor '%s' is missing", gone[i]);
        check_refused(x.e, x.m, draft, words);
    }
    json_t *draft = load_model("eagle3");
    set_key(draft, "eagle3.target_layers", json_pack("[iii]", 0, 1, 9));
    check_refused(x.e, x.m, draft, "'eagle3.target_layers' names layer 9, and the model has ");
    draft = load_model("eagle3");
    set_key(draft, "eagle3.target_layers", json_pack("[iii]", 0, -1, 1));
    check_refused(x.e, x.m, draft, "'eagle3.target_layers': layer -1, expected 0..");
    draft = load_model("eagle3");
    set_key(draft, "eagle3.target_layers", json_pack("[ii]", 0, 1));
    check_refused(x.e, x.m, draft,
                  "'eagle3.target_layers' is of another length, or no list, expected a list of 3");
    draft = load_model("eagle3");
    set_key(draft, "eagle3.target_hidden_size", json_integer(32));
    set_dim(draft, "fc.weight", 0, 96);
    check_refused(x.e, x.m, draft, "n_embd is 32 (eagle3.target_hidden_size), and this one's is 64");
    draft = load_model("eagle3");
    set_key(draft, "eagle3.norm_before_fc", json_true());
    check_refused(x.e, x.m, draft,
                  "'enc.output_norm.weight' is missing (key 'eagle3.norm_before_fc' needs it)");
    draft = load_model("eagle3");
    set_dim(draft, "output.weight", 1, 100);
    check_refused(x.e, x.m, draft, "a vocabulary of 100 tokens, and the model's has 128");
    draft = load_model("eagle3");
    set_dim(draft, "blk.0.attn_q.weight", 0, 64);
    check_refused(x.e, x.m, draft, "tensor 'blk.0.attn_q.weight' has the shape [64, 64], expected");
    draft = load_model("eagle3");
    set_key(draft, "eagle3.block_count", json_integer(2));
    check_refused(x.e, x.m, draft, "eagle3.block_count is 2, expected 1");
    close_pair(&x);
}

static void what_is_wrong_with_a_dflash_is_said(void **state) {
    setup x = open_pair(2, RANDOM, test_cpu());
    (void)state;
    json_t *draft = load_model("dflash");
    set_key(draft, "tokenizer.ggml.mask_token_id", json_integer(128));
    check_refused(x.e, x.m, draft,
                  "'tokenizer.ggml.mask_token_id' is 128, and the model's vocabulary has 128");
    draft = load_model("dflash");
    set_key(draft, "dflash.block_size", json_integer(1));
    check_refused(x.e, x.m, draft, "dflash.block_size is 1, expected 2 or more");
    draft = load_model("dflash");
    set_key(draft, "dflash.target_layers", json_pack("[ii]", 1, 40));
    check_refused(x.e, x.m, draft, "'dflash.target_layers' names layer 40, and the model has ");
    draft = load_model("dflash");
    set_key(draft, "dflash.target_layers", json_pack("[iii]", 1, 2, 3));
    check_refused(x.e, x.m, draft, "tensor 'fc.weight' has the shape [64, 128], expected");
    draft = load_model("dflash");
    remove_tensor(draft, "enc.output_norm.weight");
    check_refused(x.e, x.m, draft, "tensor 'enc.output_norm.weight' is missing");
    close_pair(&x);
}

static void what_is_wrong_with_a_block_alone_is_said(void **state) {
    setup         x = open_pair(3, RANDOM, test_cpu()), other = open_pair(1, RANDOM, test_cpu());
    hl_model_info info;
    hl_err        err = {0};
    hl_sched     *s = NULL;
    (void)state;
    hl_model_get_info(x.draft, &info);
    assert_true(info.drafts_for_others && !info.drafts_itself);
    hl_model_get_info(x.m, &info);
    assert_true(!info.drafts_for_others && !info.drafts_itself);
    assert_int_equal(hl_sched_new(x.draft, NULL, &s, &err), HL_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "the block of 'qwen35' drafts for another model"));
    json_t *draft = load_model("qwen35");
    keep_block(draft, true);
    remove_tensor(draft, "blk.4.nextn.enorm.weight");
    check_refused(x.e, x.m, draft, "tensor 'blk.4.nextn.enorm.weight' is missing");
    draft = load_model("qwen35");
    keep_block(draft, true);
    check_refused(other.e, other.m, draft, "the model's is 'llama'");
    close_pair(&x);
    close_pair(&other);
}

/* Another architecture, or nothing to draft for. */
static void a_draft_for_another_architecture_is_refused(void **state) {
    (void)state;
    setup     x = open_pair(0, RANDOM, test_cpu());
    char      path[80];
    hl_err    err = {0};
    hl_sched *s = NULL;
    json_t   *other = load_model("qwen3moe");
    (void)snprintf(path, sizeof path, "/tmp/hl-draft-other-%d.gguf", (int)getpid());
    fill_by_rules(other, HL_TYPE_f32, path);
    json_decref(other);
    hl_model *m = open_file(x.e, path);
    (void)unlink(path);
    check_refused(x.e, m, load_model("gemma4-assistant"),
                  "models of architecture 'gemma4', and this is 'qwen3moe'");
    assert_int_equal(hl_sched_new(x.draft, NULL, &s, &err), HL_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "'gemma4-assistant' drafts for another model"));
    hl_session *session = NULL;
    assert_int_equal(hl_session_new(x.draft, NULL, &session, &err), HL_E_UNSUPPORTED);
    hl_model_close(m);
    close_pair(&x);
}

/* The k-th allocation fails, for all k: a scheduler with a draft is not made, says so, and leaves nothing. */
static void no_memory_for_a_draft_is_said(void **state) {
    (void)state;
    for (size_t i = 0; i < N_FILES; i++) {
        setup                 x = open_pair(i, RANDOM, test_cpu());
        const hl_sched_params p = {.draft = x.draft, .n_ctx = 128, .n_running_cap = 2};
        hl_status             status = HL_E_NOMEM;
        size_t                k = 0;
        for (; status != HL_OK; k++) {
            hl_err    err = {0};
            hl_sched *s = NULL;
            hl_mem_fail_after(k, 1);
            status = hl_sched_new(x.m, &p, &s, &err);
            hl_mem_fail_after(SIZE_MAX, 0);
            assert_true(status == HL_OK || (status == HL_E_NOMEM && err.text[0] != '\0'));
            hl_sched_free(s);
        }
        assert_true(k > 10);
        assert_int_equal(x.e->planned_bytes, 0);
        close_pair(&x);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(their_drafts_change_no_answer),
        cmocka_unit_test(good_drafts_of_files_are_accepted),
        cmocka_unit_test(a_prompt_that_is_cached_is_drafted_for),
        cmocka_unit_test(what_is_read_along_is_what_one_pass_makes),
        cmocka_unit_test(what_is_wrong_with_an_assistant_is_said),
        cmocka_unit_test(what_is_wrong_with_an_eagle_is_said),
        cmocka_unit_test(what_is_wrong_with_a_dflash_is_said),
        cmocka_unit_test(what_is_wrong_with_a_block_alone_is_said),
        cmocka_unit_test(no_memory_for_a_draft_is_said),
        cmocka_unit_test(a_draft_for_another_architecture_is_refused),
    };
    return cmocka_run_group_tests_name("draft_files", tests, write_models, remove_models);
}
