/* SPDX-License-Identifier: MIT
 *
 * test_lora.c - what adapters promise: answers of a model that they are merged into, the same bits however
 * the work is cut and whatever else is in the batch, nothing shared where different ones are used, and
 * errors that name what is wrong with a file.
 */
#include "tests/need.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "engine/model_priv.h"
#include "engine_fixture.h"
#include "hyperlama/hyperlama.h"
#include "lora_fixture.h"
#include "model_fixture.h"

enum { N_TOKENS = 40, N_VOCAB = 270, LONG = 300 };

static const mf_shape shape = {.n_vocab = N_VOCAB,
                               .n_embd = 96,
                               .n_heads = 3,
                               .n_kv_heads = 1,
                               .head_dim = 32,
                               .n_ff = 160,
                               .n_layers = 2};

static const lf_adapter all[] = {{.seed = 1, .rank = 4, .alpha = 8},
                                 {.seed = 2, .rank = 16, .alpha = 4, .only = "attn_"},
                                 {.seed = 3, .rank = 1, .only = "ffn_down"}};
enum { N_ALL = 3 };
/* Of a model that they are merged into, and of sessions. */
static const float scales[N_ALL] = {1.0f, 0.5f, -2.0f};

static char base_path[64], merged_path[64], paths[N_ALL][64], odd_path[64];

static void merge(const char *name, float *x, size_t n) {
    const size_t n_cols = strstr(name, "ffn_down") ? shape.n_ff : shape.n_embd;
    for (size_t i = 0; i < N_ALL; i++)
        if (lf_wants(&all[i], name, 2)) lf_merge(&all[i], (double)scales[i], name, x, n / n_cols, n_cols);
}

static void write_models(hl_type type) {
    mf_shape s = shape;
    s.type = type;
    mf_must_write(base_path, &s);
    s.as_f32 = true;
    s.change_twin = merge;
    mf_must_write(merged_path, &s);
    for (size_t i = 0; i < N_ALL; i++) (void)lf_write(paths[i], &all[i], base_path);
}

typedef struct setup {
    hl_engine  *e;
    hl_model   *m;
    hl_session *s;
} setup;

static setup open_all(const char *path, const char *cpu, int32_t n_threads, int32_t bits, bool has_adapters,
                      int32_t n_batch) {
    setup  x = {.e = new_engine(n_threads, cpu, bits)};
    hl_err err = {0};
    if (hl_model_open(x.e, &path, 1, NULL, &x.m, &err) != HL_OK) fail_msg("%s", err.text);
    for (size_t i = 0; has_adapters && i < N_ALL; i++)
        if (hl_model_add_adapter(x.m, paths[i], NULL, scales[i], &err) != HL_OK) fail_msg("%s", err.text);
    const hl_session_params p = {.n_ctx = 256, .n_batch = n_batch, .kv_type = HL_KV_CACHE_F32};
    if (hl_session_new(x.m, &p, &x.s, &err) != HL_OK) fail_msg("%s", err.text);
    return x;
}

static void close_all(setup *x) {
    hl_session_free(x->s);
    hl_model_close(x->m);
    hl_engine_free(x->e);
}

static void read_all(hl_session *s, size_t step, float *ret) {
    hl_err err = {0};
    for (size_t at = 0; at < N_TOKENS; at += step) {
        int32_t      ids[N_TOKENS];
        const size_t n = N_TOKENS - at < step ? N_TOKENS - at : step;
        for (size_t i = 0; i < n; i++) ids[i] = (int32_t)((at + i) * 53 + 11) % N_VOCAB;
        if (hl_session_eval(s, ids, n, &err) != HL_OK) fail_msg("%s", err.text);
    }
    memcpy(ret, hl_session_logits(s), N_VOCAB * sizeof *ret);
}

static double rms_of(const float *x) {
    double sum = 0;
    for (int i = 0; i < N_VOCAB; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum / N_VOCAB);
}

/* The largest difference, of the rms of `want`. */
static double off_by(const float *want, const float *got) {
    double most = 0;
    for (int i = 0; i < N_VOCAB; i++) {
        const double d = fabs((double)want[i] - (double)got[i]);
        if (!(d <= most)) most = d;
    }
    return most / rms_of(want);
}

static void answers_are_those_of_merged_weights(void **state) {
    (void)state;
    static const struct {
        hl_type type;
        int32_t bits;
        double  bound;
    } rows[] = {{HL_TYPE_f32, 0, 2e-5},
                {HL_TYPE_f16, 0, 2e-5},
                {HL_TYPE_bf16, 0, 5e-2},
                {HL_TYPE_q8_0, 16, 3e-3},
                {HL_TYPE_q8_0, 8, 0.2}};
    float want[N_VOCAB], got[N_VOCAB], bare[N_VOCAB];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_models(rows[i].type);
        setup x = open_all(merged_path, NULL, 2, 0, false, 0);
        read_all(x.s, N_TOKENS, want);
        close_all(&x);
        x = open_all(base_path, NULL, 2, rows[i].bits, true, 0);
        read_all(x.s, N_TOKENS, got);
        close_all(&x);
        x = open_all(base_path, NULL, 2, rows[i].bits, false, 0);
        read_all(x.s, N_TOKENS, bare);
        close_all(&x);
        print_message("%s of %d bits: off by %.1e of the rms; without adapters by %.1e\n",
                      hl_type_name(rows[i].type), rows[i].bits, off_by(want, got), off_by(want, bare));
        if (off_by(want, got) > rows[i].bound) fail_msg("expected at most %.1e", rows[i].bound);
        assert_true(off_by(want, bare) > 0.5);
    }
}

static void the_bits_do_not_depend_on_passes_threads_or_instructions(void **state) {
    (void)state;
    static const hl_type     types[] = {HL_TYPE_f32, HL_TYPE_f16, HL_TYPE_bf16, HL_TYPE_q4_0, HL_TYPE_q8_0};
    static const size_t      steps[] = {N_TOKENS, 1, 3, 7, 33};
    static const char *const cpus[] = {NULL, "avx2", "scalar"};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        write_models(types[t]);
        for (int32_t bits = 8; bits <= 16; bits += 8) {
            float want[N_VOCAB], got[N_VOCAB];
            bool  has = false;
            for (size_t c = 0; c < (bits == 8 ? 3u : 1u); c++) {
                if (c == 1 && test_cpu() && strcmp(test_cpu(), "scalar") == 0) continue;
#if !defined(__x86_64__)
                if (c == 1) continue;
#endif
                if (types[t] == HL_TYPE_bf16) has = false; /* AVX-512 with BF16 has other bits: kernels.h */
                setup x = open_all(base_path, cpus[c], c == 0 ? 3 : 1, bits, true, 0);
                for (size_t i = 0; i < (c == 2 ? 2u : 5u); i++) {
                    hl_session_truncate(x.s, 0);
                    read_all(x.s, steps[i], got);
                    if (!has) memcpy(want, got, sizeof want);
                    has = true;
                    if (memcmp(want, got, sizeof want) != 0)
                        fail_msg("%s on %s, %d bits: passes of %zu differ", hl_type_name(types[t]),
                                 cpus[c] ? cpus[c] : "this", bits, steps[i]);
                }
                close_all(&x);
            }
        }
    }
}

static void what_is_not_used_changes_nothing(void **state) {
    (void)state;
    hl_err err = {0};
    float  want[N_VOCAB], got[N_VOCAB];
    write_models(HL_TYPE_q4_0);
    setup x = open_all(base_path, NULL, 2, 0, false, 0);
    read_all(x.s, 16, want);
    close_all(&x);
    x = open_all(base_path, NULL, 2, 0, true, 0);
    const hl_adapter_use none[] = {{.index = 1, .scale = 0}};
    assert_int_equal(hl_session_set_adapters(x.s, none, 0, &err), HL_OK);
    read_all(x.s, 16, got);
    assert_memory_equal(want, got, sizeof want);
    hl_session_truncate(x.s, 0);
    assert_int_equal(hl_session_set_adapters(x.s, none, 1, &err), HL_OK);
    read_all(x.s, 16, got);
    assert_memory_equal(want, got, sizeof want);
    /* all of them by hand are those that were added */
    hl_session_truncate(x.s, 0);
    assert_int_equal(hl_session_set_adapters(x.s, NULL, 0, &err), HL_OK);
    read_all(x.s, 16, want);
    hl_session_truncate(x.s, 0);
    const hl_adapter_use uses[] = {{.index = 2, .scale = scales[2]},
                                   {.name = x.m ? strrchr(paths[0], '/') + 1 : "", .scale = scales[0]},
                                   {.index = 1, .scale = scales[1]}};
    assert_int_equal(hl_session_set_adapters(x.s, uses, 3, &err), HL_OK);
    read_all(x.s, 16, got);
    assert_memory_equal(want, got, sizeof want);
    /* a session that holds tokens keeps its adapters */
    assert_int_equal(hl_session_set_adapters(x.s, uses, 1, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "holds 40 tokens"));
    hl_session_truncate(x.s, 0);
    assert_int_equal(hl_session_set_adapters(x.s, (hl_adapter_use[]){{.name = "x", .scale = 1}}, 1, &err),
                     HL_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "no adapter 'x'; it has '"));
    assert_int_equal(hl_session_set_adapters(x.s, (hl_adapter_use[]){{.index = 3, .scale = 1}}, 1, &err),
                     HL_E_NOT_FOUND);
    assert_int_equal(hl_session_set_adapters(x.s, (hl_adapter_use[]){{.index = 1, .scale = NAN}}, 1, &err),
                     HL_E_ARG);
    assert_int_equal(hl_session_set_adapters(x.s, (hl_adapter_use[]){{.scale = 1}, {.scale = 1}}, 2, &err),
                     HL_E_ARG);
    assert_non_null(strstr(err.text, "twice"));
    close_all(&x);
}

/* ---- the scheduler --------------------------------------------------------------------------------- */

enum { N_JOBS = 8, N_ANSWER = 24 };

typedef struct job {
    int32_t        prompt[LONG];
    hl_adapter_use uses[N_ALL];
    size_t         n_uses;
    int32_t        answer[N_ANSWER];
    float          logprobs[N_ANSWER];
    int32_t        n_answer;
    hl_usage       usage;
    atomic_int     n_done;
} job;

static hl_end keep_token(void *user, const hl_sched_token *t) {
    job *j = user;
    j->answer[j->n_answer] = t->token;
    j->logprobs[j->n_answer++] = t->logprob;
    return HL_END_NONE;
}

static void keep_end(void *user, uint64_t id, hl_status status, const hl_usage *usage, const hl_err *err) {
    job *j = user;
    (void)id;
    if (status != HL_OK) print_message("%s\n", err->text);
    assert_int_equal(status, HL_OK);
    j->usage = *usage;
    atomic_fetch_add(&j->n_done, 1);
}

/* Job i of one prompt; which adapters it uses are the bits of i. */
static void make_job(job *j, uint32_t i) {
    memset(j, 0, sizeof *j);
    for (int32_t k = 0; k < LONG; k++) j->prompt[k] = (k * 37 + 11) % 256;
    for (size_t a = 0; a < N_ALL; a++)
        if (i >> a & 1) j->uses[j->n_uses++] = (hl_adapter_use){.index = (int32_t)a, .scale = scales[a]};
}

static void submit(hl_sched *s, job *j) {
    hl_err           err = {0};
    uint64_t         id = 0;
    hl_sched_request r;
    hl_sched_request_init(&r);
    r.tokens = j->prompt;
    r.n_tokens = LONG;
    r.adapters = j->uses;
    r.n_adapters = j->n_uses;
    r.max_tokens = N_ANSWER;
    r.ignore_eog = r.want_logprobs = true;
    r.sampling.temperature = 0;
    r.on_token = keep_token;
    r.on_done = keep_end;
    r.user = j;
    if (hl_sched_submit(s, &r, &id, &err) != HL_OK) fail_msg("%s", err.text);
}

static void wait_for(job *j) {
    while (atomic_load(&j->n_done) == 0) (void)usleep(200);
}

typedef struct running {
    hl_engine *e;
    hl_model  *m;
    hl_sched  *s;
} running;

static running open_running(void) {
    running     x = {.e = new_engine(2, NULL, 0)};
    hl_err      err = {0};
    const char *path = base_path;
    if (hl_model_open(x.e, &path, 1, NULL, &x.m, &err) != HL_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < N_ALL; i++)
        if (hl_model_add_adapter(x.m, paths[i], NULL, scales[i], &err) != HL_OK) fail_msg("%s", err.text);
    return x;
}

static running start(hl_sched_params p) {
    running x = open_running();
    hl_err  err = {0};
    p.n_ctx = 512;
    if (hl_sched_new(x.m, &p, &x.s, &err) != HL_OK) fail_msg("%s", err.text);
    return x;
}

static void end(running *x) {
    hl_sched_free(x->s);
    hl_model_close(x->m);
    hl_engine_free(x->e);
}

static void check_same(const job *want, const job *got, uint32_t i, const char *what) {
    assert_int_equal(got->n_answer, N_ANSWER);
    if (memcmp(want->answer, got->answer, sizeof want->answer) != 0 ||
        memcmp(want->logprobs, got->logprobs, sizeof want->logprobs) != 0)
        fail_msg("job %u: other tokens or bits %s", i, what);
}

/* One prompt with all sets of adapters at once, in one batch; drafts come from the text. */
static void a_batch_may_mix_adapters(void **state) {
    (void)state;
    static job alone[N_JOBS], among[N_JOBS];
    write_models(HL_TYPE_q4_0);
    for (uint32_t i = 0; i < N_JOBS; i++) {
        running x = start((hl_sched_params){.speculate = HL_SPECULATE_OFF});
        make_job(&alone[i], i);
        submit(x.s, &alone[i]);
        wait_for(&alone[i]);
        end(&x);
        for (uint32_t k = 0; k < i; k++)
            if (memcmp(alone[k].logprobs, alone[i].logprobs, sizeof alone[i].logprobs) == 0)
                fail_msg("sets %u and %u of adapters answer the same", k, i);
    }
    running x = start((hl_sched_params){.n_running_cap = N_JOBS, .kv_budget_bytes = 64 << 20});
    for (uint32_t i = 0; i < N_JOBS; i++) {
        make_job(&among[i], i);
        submit(x.s, &among[i]);
    }
    for (uint32_t i = 0; i < N_JOBS; i++) wait_for(&among[i]);
    for (uint32_t i = 0; i < N_JOBS; i++) {
        check_same(&alone[i], &among[i], i, "among others");
        assert_int_equal(among[i].usage.cached_tokens, 0);
    }
    /* what each has in the cache now is its own: found again by the same adapters, and right */
    for (uint32_t i = 0; i < N_JOBS; i++) {
        make_job(&among[i], i);
        submit(x.s, &among[i]);
        wait_for(&among[i]);
        check_same(&alone[i], &among[i], i, "from the cache");
        assert_true(among[i].usage.cached_tokens >= LONG - LONG % 64);
    }
    end(&x);
}

/* What drafts knows no adapters and predicts as the base would: that changes how many drafts are right,
 * nothing else. The draft model is the base itself, on the same engine. */
static void drafts_change_no_answer(void **state) {
    (void)state;
    static job                want[N_JOBS], got[N_JOBS];
    static const hl_speculate how[] = {HL_SPECULATE_OFF, HL_SPECULATE_ALWAYS, HL_SPECULATE_ALWAYS,
                                       HL_SPECULATE_AUTO};
    write_models(HL_TYPE_q8_0);
    for (size_t k = 0; k < sizeof how / sizeof *how; k++) {
        hl_err          err = {0};
        hl_model       *draft = NULL;
        const char     *path = base_path;
        int32_t         n_drafted = 0, n_accepted = 0;
        hl_sched_params p = {.n_ctx = 512, .n_running_cap = N_JOBS, .speculate = how[k]};
        running         x = open_running();
        if (k >= 2 && hl_model_open(x.e, &path, 1, NULL, &draft, &err) != HL_OK) fail_msg("%s", err.text);
        p.draft = draft;
        if (hl_sched_new(x.m, &p, &x.s, &err) != HL_OK) fail_msg("%s", err.text);
        for (uint32_t i = 0; i < N_JOBS; i++) {
            make_job(&got[i], i);
            submit(x.s, &got[i]);
        }
        for (uint32_t i = 0; i < N_JOBS; i++) {
            wait_for(&got[i]);
            if (k == 0) memcpy(&want[i], &got[i], sizeof got[i]);
            check_same(&want[i], &got[i], i, "with drafts");
            n_drafted += got[i].usage.drafted_tokens;
            n_accepted += got[i].usage.accepted_tokens;
        }
        hl_sched_free(x.s);
        hl_model_close(draft);
        x.s = NULL;
        end(&x);
        assert_true(how[k] == HL_SPECULATE_OFF ? n_drafted == 0
                                               : how[k] == HL_SPECULATE_AUTO || n_drafted > 0);
        if (k == 2) assert_true(n_accepted > 0 && n_accepted < n_drafted); /* of job 0 all, of others some */
    }
}

static void remove_tree(const char *path) {
    DIR           *d = opendir(path);
    struct dirent *entry;
    while (d && (entry = readdir(d)) != NULL) {
        char below[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        (void)snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        remove_tree(below);
        (void)unlink(below);
    }
    if (d) (void)closedir(d);
    (void)rmdir(path);
}

static void blocks_in_files_are_those_of_the_same_adapters(void **state) {
    (void)state;
    static job first, again;
    char       dir[] = "/tmp/hl-lora-cache-XXXXXX";
    assert_non_null(mkdtemp(dir));
    write_models(HL_TYPE_q4_0);
    const hl_sched_params p = {.cache_dir = dir, .cache_key = "weights"};
    running               x = start(p);
    make_job(&first, 3);
    submit(x.s, &first);
    wait_for(&first);
    end(&x);
    x = start(p);
    for (uint32_t i = 0; i < N_JOBS; i++) {
        make_job(&again, i);
        submit(x.s, &again);
        wait_for(&again);
        if (i == 3) check_same(&first, &again, i, "from files");
        const int32_t n = again.usage.cached_tokens;
        if ((n > 0) != (i == 3)) fail_msg("adapters %u: %d tokens come from files of adapters 3", i, n);
    }
    end(&x);
    /* another adapter in the place of one, under the same name and number */
    lf_adapter other = all[0];
    other.seed = 77;
    (void)lf_write(paths[0], &other, base_path);
    x = start(p);
    make_job(&again, 3);
    submit(x.s, &again);
    wait_for(&again);
    assert_int_equal(again.usage.cached_tokens, 0);
    end(&x);
    remove_tree(dir);
}

/* ---- files ---------------------------------------------------------------------------------------- */

static void check_refused(hl_status want, const char *words) {
    hl_err      err = {0};
    hl_engine  *e = new_engine(1, NULL, 0);
    hl_model   *m = NULL;
    const char *path = base_path;
    assert_int_equal(hl_model_open(e, &path, 1, NULL, &m, &err), HL_OK);
    const hl_status status = hl_model_add_adapter(m, odd_path, NULL, 1, &err);
    if (status != want || !strstr(err.text, words))
        fail_msg("status %d, '%s'; expected %d, '%s'", (int)status, err.text, (int)want, words);
    assert_int_equal(hl_model_n_adapters(m), 0);
    hl_model_close(m);
    hl_engine_free(e);
}

typedef struct odd_file {
    const char *type, *kind, *arch; /* NULL: as it should be; "": left out */
    float       alpha;
    uint64_t    a[3], b[3]; /* shapes; a[0] 0: as they should be, for attn_q */
    const char *a_name, *b_name;
    float       value; /* the last one of A */
    hl_status   status;
    const char *words;
} odd_file;

static void add_text(hl_gguf_writer *w, const char *key, const char *text, const char *usual) {
    if (!text || text[0]) hl_gguf_writer_add_text(w, key, hl_view_of(text ? text : usual));
}

static void write_odd(const odd_file *o) {
    static float    zeros[96 * 4096];
    hl_err          err = {0};
    hl_gguf_writer *w = hl_gguf_writer_new();
    const uint64_t  usual[] = {4, 96}, usual_b[] = {96, 4};
    add_text(w, "general.type", o->type, "adapter");
    add_text(w, "adapter.type", o->kind, "lora");
    add_text(w, "general.architecture", o->arch, "llama");
    hl_gguf_writer_add_f32(w, "adapter.lora.alpha", o->alpha);
    zeros[4 * 96 - 1] = o->value;
    hl_gguf_writer_add_tensor(w, o->a_name ? o->a_name : "blk.0.attn_q.weight.lora_a", HL_TYPE_f32,
                              o->a[0] && o->a[2] ? 3 : 2, o->a[0] ? o->a : usual, zeros);
    hl_gguf_writer_add_tensor(w, o->b_name ? o->b_name : "blk.0.attn_q.weight.lora_b", HL_TYPE_f32,
                              o->b[0] && o->b[2] ? 3 : 2, o->b[0] ? o->b : usual_b, zeros);
    if (hl_gguf_writer_save(w, odd_path, &err) != HL_OK) fail_msg("%s", err.text);
    hl_gguf_writer_free(w);
    zeros[4 * 96 - 1] = 0;
}

static void a_file_that_does_not_fit_is_refused_with_names(void **state) {
    (void)state;
    const odd_file files[] = {
        {.type = "model",
         .status = HL_E_FORMAT,
         .words = "key 'general.type' is 'model', expected 'adapter'"},
        {.type = "", .status = HL_E_FORMAT, .words = "key 'general.type' is missing"},
        {.kind = "aloha", .status = HL_E_FORMAT, .words = "key 'adapter.type' is 'aloha'"},
        {.arch = "qwen2",
         .status = HL_E_FORMAT,
         .words = "'general.architecture' is 'qwen2', expected 'llama'"},
        {.alpha = NAN, .status = HL_E_FORMAT, .words = "'adapter.lora.alpha' is no finite number"},
        {.alpha = INFINITY,
         .status = HL_E_FORMAT,
         .words = "'adapter.lora.alpha' is inf, expected a 32-bit float"},
        {.value = NAN,
         .status = HL_E_FORMAT,
         .words = "attn_q.weight.lora_a': value 95 of row 3 is no finite"},
        {.a = {4, 64},
         .status = HL_E_FORMAT,
         .words = "lora_a' has 64 columns, and 'blk.0.attn_q.weight' of "},
        {.b = {64, 4},
         .status = HL_E_FORMAT,
         .words = "lora_b' has 64 rows, and 'blk.0.attn_q.weight' of the"},
        {.b = {96, 5},
         .status = HL_E_FORMAT,
         .words = "lora_b' has the rank 5, and 'blk.0.attn_q.weight.lora_a"},
        {.a = {2, 2, 96}, .status = HL_E_FORMAT, .words = "lora_a' has 96 columns, "},
        {.a_name = "blk.0.attn_q.weight.lora_c",
         .status = HL_E_UNSUPPORTED,
         .words = "neither a .lora_a nor"},
        {.a_name = "blk.1.attn_q.weight.lora_a", .status = HL_E_FORMAT, .words = "lora_b' is missing"},
        {.a_name = "blk.9.attn_q.weight.lora_a",
         .b_name = "blk.9.attn_q.weight.lora_b",
         .status = HL_E_FORMAT,
         .words = "'blk.9.attn_q.weight', which the model does not have"},
        {.a_name = "token_embd.weight.lora_a",
         .b_name = "token_embd.weight.lora_b",
         .status = HL_E_UNSUPPORTED,
         .words = "'token_embd.weight': adapters of the embedding are not supported"},
        {.a_name = "blk.0.attn_norm.weight.lora_a",
         .b_name = "blk.0.attn_norm.weight.lora_b",
         .status = HL_E_UNSUPPORTED,
         .words = "'blk.0.attn_norm.weight', which is no matrix"},
    };
    write_models(HL_TYPE_q4_0);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        write_odd(&files[i]);
        check_refused(files[i].status, files[i].words);
    }
    (void)unlink(odd_path);
    check_refused(HL_E_NOT_FOUND, odd_path);
}

static void experts_are_refused_by_name(void **state) {
    (void)state;
    mf_shape s = shape;
    s.n_experts = 4;
    s.n_experts_used = 2;
    mf_must_write(base_path, &s);
    (void)lf_write(odd_path, &(lf_adapter){.seed = 1, .rank = 2, .only = "ffn_up_exps"}, base_path);
    check_refused(HL_E_UNSUPPORTED, "'blk.0.ffn_up_exps.weight', which is no matrix: adapters of experts");
}

static void a_file_that_is_cut_is_refused(void **state) {
    (void)state;
    enum { CAP = 1 << 17 };
    static uint8_t bytes[CAP];
    write_models(HL_TYPE_q4_0);
    FILE        *f = fopen(paths[0], "rb");
    const size_t n = fread(bytes, 1, CAP, f);
    (void)fclose(f);
    for (size_t left = 0; left < n; left += left < 2000 ? 97 : 4099) {
        f = fopen(odd_path, "wb");
        assert_int_equal(fwrite(bytes, 1, left, f), left);
        (void)fclose(f);
        check_refused(HL_E_FORMAT, odd_path);
    }
}

/* Bytes of a file changed at random: it is refused, or it is an adapter. */
static void no_bytes_do_harm(void **state) {
    (void)state;
    enum { CAP = 1 << 17, ROUNDS = 2000, HEAD = 3000 };
    static uint8_t bytes[CAP], changed[CAP];
    uint32_t       random = 12345, n_good = 0;
    hl_engine     *e = new_engine(1, NULL, 0);
    const char    *path = base_path;
    write_models(HL_TYPE_q4_0);
    (void)lf_write(odd_path, &(lf_adapter){.seed = 1, .rank = 2, .alpha = 3, .only = "attn_q"}, base_path);
    FILE        *f = fopen(odd_path, "rb");
    const size_t n = fread(bytes, 1, CAP, f);
    (void)fclose(f);
    for (int i = 0; i < ROUNDS; i++) {
        hl_err    err = {0};
        hl_model *m = NULL;
        memcpy(changed, bytes, n);
        for (int k = 0; k < 1 + i % 3; k++) {
            random = random * 1664525u + 1013904223u;
            changed[(random >> 8) % (n < HEAD ? n : HEAD)] ^= (uint8_t)(1u << (random >> 29));
        }
        f = fopen(odd_path, "wb");
        assert_int_equal(fwrite(changed, 1, n, f), n);
        (void)fclose(f);
        assert_int_equal(hl_model_open(e, &path, 1, NULL, &m, &err), HL_OK);
        if (hl_model_add_adapter(m, odd_path, NULL, 1, &err) == HL_OK)
            n_good++;
        else
            assert_true(err.text[0] != '\0');
        hl_model_close(m);
    }
    print_message("%u of %d were adapters all the same\n", n_good, ROUNDS);
    assert_true(n_good > 0 && n_good < ROUNDS);
    hl_engine_free(e);
}

static void a_model_in_use_and_odd_numbers_are_refused(void **state) {
    (void)state;
    hl_err          err = {0};
    hl_adapter_info info;
    write_models(HL_TYPE_q4_0);
    setup x = open_all(base_path, NULL, 1, 0, true, 0);
    assert_int_equal(hl_model_n_adapters(x.m), N_ALL);
    hl_model_get_adapter(x.m, 1, &info);
    assert_int_equal(info.rank, 16);
    assert_int_equal(info.n_matrices, 8);
    assert_true(info.scale == 0.5f && info.alpha == 4.0f);
    assert_int_equal(hl_model_add_adapter(x.m, paths[0], "more", 1, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "in use already"));
    hl_session_free(x.s);
    x.s = NULL;
    assert_int_equal(hl_model_add_adapter(x.m, paths[0], "more", NAN, &err), HL_E_ARG);
    assert_int_equal(hl_model_add_adapter(x.m, paths[0], "more", 1, &err), HL_OK);
    assert_int_equal(hl_model_add_adapter(x.m, paths[0], "more", 1, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "named 'more' already"));
    for (int i = N_ALL + 1; i < HL_MAX_ADAPTERS; i++) {
        char name[20];
        (void)snprintf(name, sizeof name, "more %d", i);
        assert_int_equal(hl_model_add_adapter(x.m, paths[2], name, 1, &err), HL_OK);
    }
    assert_int_equal(hl_model_add_adapter(x.m, paths[2], "last", 1, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "16 already"));
    close_all(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_merged_weights),
        cmocka_unit_test(the_bits_do_not_depend_on_passes_threads_or_instructions),
        cmocka_unit_test(what_is_not_used_changes_nothing),
        cmocka_unit_test(a_batch_may_mix_adapters),
        cmocka_unit_test(drafts_change_no_answer),
        cmocka_unit_test(blocks_in_files_are_those_of_the_same_adapters),
        cmocka_unit_test(a_file_that_does_not_fit_is_refused_with_names),
        cmocka_unit_test(experts_are_refused_by_name),
        cmocka_unit_test(a_file_that_is_cut_is_refused),
        cmocka_unit_test(no_bytes_do_harm),
        cmocka_unit_test(a_model_in_use_and_odd_numbers_are_refused),
    };
    (void)snprintf(base_path, sizeof base_path, "/tmp/hl-lora-%d-base.gguf", (int)getpid());
    (void)snprintf(merged_path, sizeof merged_path, "/tmp/hl-lora-%d-merged.gguf", (int)getpid());
    (void)snprintf(odd_path, sizeof odd_path, "/tmp/hl-lora-%d-odd.gguf", (int)getpid());
    for (size_t i = 0; i < N_ALL; i++)
        (void)snprintf(paths[i], sizeof paths[i], "/tmp/hl-lora-%d-%zu.gguf", (int)getpid(), i);
    const int rc = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(base_path);
    (void)unlink(merged_path);
    (void)unlink(odd_path);
    for (size_t i = 0; i < N_ALL; i++) (void)unlink(paths[i]);
    return rc;
}
