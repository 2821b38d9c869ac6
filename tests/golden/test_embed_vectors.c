/* SPDX-License-Identifier: MIT
 *
 * test_embed_vectors.c - tiny models against the vectors that the reference recorded of a text, and the same
 * bits on every instruction set, alone and among others.
 */
#include "tests/golden/skeleton.h"

#include <dirent.h>
#include <math.h>

#include "hyperlama/hyperlama.h"

enum { MAX_TOKENS = 128, MAX_EMBD = 256 };
static const double LIMIT = 1e-5; /* of a value, in rms of the vector */

static const char FOLDER[] = "tests/golden/embed";

typedef struct record {
    const json_t *vector;
    int32_t       tokens[MAX_TOKENS];
    size_t        n_tokens, n_embd;
} record;

/* The vector of the record's tokens, and before it (has_others) those of parts of them. */
static void embed(const char *path, const record *rec, const char *cpu, bool has_others, float *ret) {
    enum { N_OTHERS = 7 };
    hl_err                 err = {0};
    hl_engine             *e = NULL;
    hl_model              *m = NULL;
    hl_runner             *r = NULL;
    hl_embeddings          got;
    const hl_runner_params p = {
        .sched = {.n_ctx = MAX_TOKENS, .kv_type = HL_KV_CACHE_F32, .n_batch = has_others ? 50 : 0}};
    hl_embed_input in[N_OTHERS + 1];
    for (size_t i = 0; i < N_OTHERS; i++)
        in[i] = (hl_embed_input){.tokens = rec->tokens + i, .n_tokens = 1 + i * i % rec->n_tokens / 2};
    in[N_OTHERS] = (hl_embed_input){.tokens = rec->tokens, .n_tokens = rec->n_tokens};
    const size_t           from = has_others ? 0 : N_OTHERS, n = N_OTHERS + 1 - from;
    const hl_embed_request req = {.inputs = in + from, .n_inputs = n, .keeps_length = true};
    assert_int_equal(
        hl_engine_new(&(hl_engine_params){.n_threads = has_others ? 2 : 1, .cpu = cpu}, &e, &err), HL_OK);
    if (hl_model_open(e, &path, 1, NULL, &m, &err) != HL_OK) fail_msg("%s", err.text);
    if (hl_runner_new(m, &p, &r, &err) != HL_OK) fail_msg("%s", err.text);
    if (hl_runner_embed(r, &req, &got, &err) != HL_OK) fail_msg("%s: %s", path, err.text);
    assert_int_equal(got.n_rows, n);
    assert_int_equal(got.n_dims, rec->n_embd);
    memcpy(ret, got.values + (n - 1) * rec->n_embd, rec->n_embd * sizeof *ret);
    hl_embeddings_done(&got);
    hl_runner_free(r);
    hl_model_close(m);
    hl_engine_free(e);
}

/* The largest distance of a recorded number. */
static double distance(const record *rec, const float *x) {
    const size_t  n = rec->n_embd;
    const json_t *first = json_object_get(rec->vector, "first"), *v;
    const double norm = json_number_value(json_object_get(rec->vector, "norm")), rms = norm / sqrt((double)n);
    double       sum = 0, sum_sq = 0, worst = 0;
    size_t       i;
    for (i = 0; i < n; i++) {
        sum += (double)x[i];
        sum_sq += (double)x[i] * (double)x[i];
    }
    json_array_foreach(first, i, v) worst = fmax(worst, fabs((double)x[i] - json_number_value(v)) / rms);
    worst = fmax(worst, fabs(sqrt(sum_sq) - norm) / norm);
    return fmax(worst, fabs(sum - json_number_value(json_object_get(rec->vector, "sum"))) / norm);
}

static bool check_model(const char *path, const char *name, const record *rec, double limit) {
    float one[MAX_EMBD], other[MAX_EMBD];
    bool  same = true;
    embed(path, rec, test_cpu(), false, one);
    const char *const cpus[] = {test_cpu(), "avx2", "scalar"};
    for (size_t i = 0; i < 3; i++) {
        embed(path, rec, cpus[i], i > 0, other);
        same = same && memcmp(one, other, rec->n_embd * sizeof *one) == 0;
        embed(path, rec, cpus[i], true, other);
        same = same && memcmp(one, other, rec->n_embd * sizeof *one) == 0;
    }
    const double off = distance(rec, one);
    print_message("%-16s off by %.2e, limit %.0e%s%s\n", name, off, limit,
                  off <= limit ? "" : "  <-- too far", same ? "" : "  <-- other bits");
    return off <= limit && same;
}

static bool check_record(const char *folder, const char *name, hl_type type, double limit) {
    char   path[1024];
    record rec = {0};
    (void)snprintf(path, sizeof path, "%s/%s.json", folder, name);
    json_t       *model = json_load_file(path, 0, NULL);
    const json_t *tokens = json_object_get(model, "tokens");
    assert_non_null(model);
    rec.vector = json_object_get(model, "vector");
    rec.n_embd = (size_t)json_integer_value(json_object_get(model, "n_embd"));
    rec.n_tokens = json_array_size(tokens);
    assert_in_range(rec.n_embd, 1, MAX_EMBD);
    assert_in_range(rec.n_tokens, 1, MAX_TOKENS);
    for (size_t i = 0; i < rec.n_tokens; i++)
        rec.tokens[i] = (int32_t)json_integer_value(json_array_get(tokens, i));
    (void)snprintf(path, sizeof path, "/tmp/hl-%s-%d.gguf", name, (int)getpid());
    fill_skeleton(model, type, path);
    const bool ok = check_model(path, name, &rec, limit);
    (void)unlink(path);
    json_decref(model);
    return ok;
}

static void our_vectors_agree_with_the_reference(void **state) {
    (void)state;
    DIR           *dir = opendir(FOLDER);
    int            n_checked = 0, n_bad = 0;
    struct dirent *de = NULL;
    assert_non_null(dir);
    while ((de = readdir(dir))) {
        char *dot = strrchr(de->d_name, '.');
        if (!dot || strcmp(dot, ".json") != 0) continue;
        *dot = '\0';
        n_bad += !check_record(FOLDER, de->d_name, HL_TYPE_f32, LIMIT);
        n_checked++;
    }
    (void)closedir(dir);
    assert_int_equal(n_bad, 0);
    assert_true(n_checked > 0);
}

/* What a format costs, and no more; what is read or scaled wrongly costs far more. */
static void packed_encoders_agree_with_the_reference_too(void **state) {
    (void)state;
    static const struct {
        hl_type type;
        double  limit;
    } types[] = {{HL_TYPE_f16, 2e-3}, {HL_TYPE_q8_0, 0.05}, {HL_TYPE_q4_0, 0.6}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        assert_true(check_record(FOLDER, "bert", types[i].type, types[i].limit));
        assert_true(check_record(FOLDER, "nomic-bert", types[i].type, types[i].limit));
    }
}

/* The matrices behind pooling: what a model with them gives is their product with what it gives without. */
static void matrices_behind_pooling_are_applied(void **state) {
    (void)state;
    enum { N = 64, WIDE = 96, N_TOKENS = 40, SEED = 5 };
    static const char *const names[] = {"dense_2.weight", "dense_3.weight"};
    const double             spread = 0.2;
    char                     path[64];
    float                    plain[N], dense[N];
    record                   rec = {.n_tokens = N_TOKENS, .n_embd = N};
    json_t                  *model = json_load_file("tests/golden/embed/gemma-embedding.json", 0, NULL);
    (void)snprintf(path, sizeof path, "/tmp/hl-dense-%d.gguf", (int)getpid());
    for (int32_t i = 0; i < N_TOKENS; i++) rec.tokens[i] = i * 37 % 128;
    json_object_set_new(model, "seed", json_integer(SEED));
    fill_skeleton(model, HL_TYPE_f32, path);
    embed(path, &rec, test_cpu(), false, plain);
    json_t *tensors = json_object_get(model, "tensors");
    json_array_append_new(tensors, json_pack("[s[ii]sff]", names[0], N, WIDE, "f32", 0.0, spread));
    json_array_append_new(tensors, json_pack("[s[ii]sff]", names[1], WIDE, N, "f32", 0.0, spread));
    json_array_append_new(json_object_get(model, "kv"),
                          json_pack("[ssi]", "gemma-embedding.dense_2_feat_out", "u32", WIDE));
    fill_skeleton(model, HL_TYPE_f32, path);
    embed(path, &rec, test_cpu(), false, dense);
    float *up = tensor_numbers(tensor_hash(names[0], SEED), (size_t)N * WIDE, 0, spread);
    float *down = tensor_numbers(tensor_hash(names[1], SEED), (size_t)N * WIDE, 0, spread);
    double wide[WIDE] = {0};
    for (size_t r = 0; r < WIDE; r++)
        for (size_t c = 0; c < N; c++) wide[r] += (double)up[r * N + c] * (double)plain[c];
    for (size_t r = 0; r < N; r++) {
        double want = 0;
        for (size_t c = 0; c < WIDE; c++) want += (double)down[r * WIDE + c] * wide[c];
        assert_true(fabs(want - (double)dense[r]) < 1e-5);
    }
    hl_free(up);
    hl_free(down);
    json_decref(model);
    (void)unlink(path);
}

/* ---- heads: scores instead of vectors ---- */

enum { HEAD_SEED = 11, N_HEAD_TOKENS = 40 };

typedef struct head {
    const char *model; /* tests/golden/embed, or another folder */
    const char *arch;
    hl_pooling  pooling;         /* of the vector it reads */
    size_t      n_mid, n_labels; /* 0: that matrix is not there */
    bool        has_biases, gelu, softmax;
    double      eps; /* of the norm that this model has; 0: none */
} head;

static void add_tensor(json_t *model, const char *name, size_t rows, size_t cols, double base,
                       double spread) {
    json_t *shape = cols ? json_pack("[ii]", (int)cols, (int)rows) : json_pack("[i]", (int)rows);
    json_array_append_new(json_object_get(model, "tensors"),
                          json_pack("[sosff]", name, shape, "f32", base, spread));
}

static void add_head(json_t *model, const head *h, size_t n_embd) {
    const size_t n_in = h->n_mid ? h->n_mid : n_embd;
    char         key[64];
    (void)snprintf(key, sizeof key, "%s.pooling_type", h->arch);
    json_t *kv = json_object_get(model, "kv"), *pair;
    size_t  i;
    json_array_foreach(kv, i, pair) {
        if (strcmp(json_string_value(json_array_get(pair, 0)), key) == 0) json_array_remove(kv, i--);
    }
    json_array_append_new(kv, json_pack("[ssi]", key, "u32", 4));
    if (h->n_mid) add_tensor(model, "cls.weight", h->n_mid, n_embd, 0, 0.2);
    if (h->n_mid && h->has_biases) add_tensor(model, "cls.bias", h->n_mid, 0, 0, 0.5);
    if (h->eps > 0) add_tensor(model, "cls.norm.weight", h->n_mid, 0, 1, 0.3);
    if (h->n_labels) add_tensor(model, "cls.output.weight", h->n_labels, n_in, 0, 0.3);
    if (h->n_labels && h->has_biases) add_tensor(model, "cls.output.bias", h->n_labels, 0, 0, 0.5);
}

static double norm_of_head(const float *w, double eps, double *x, size_t n) {
    double mean = 0, var = 0;
    for (size_t i = 0; i < n; i++) mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++) var += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (size_t i = 0; i < n; i++) x[i] = (x[i] - mean) / sqrt(var + eps) * (double)w[i];
    return var;
}

/* y = W x + b in double precision, of tensors by their names. */
static void times(const char *weight, const char *bias, double spread, size_t n_rows, size_t n_cols,
                  const double *x, double *ret) {
    float *w = tensor_numbers(tensor_hash(weight, HEAD_SEED), n_rows * n_cols, 0, spread);
    float *b = tensor_numbers(tensor_hash(bias ? bias : "", HEAD_SEED), n_rows, 0, 0.5);
    for (size_t r = 0; r < n_rows; r++) {
        ret[r] = bias ? (double)b[r] : 0;
        for (size_t c = 0; c < n_cols; c++) ret[r] += (double)w[r * n_cols + c] * x[c];
    }
    hl_free(w);
    hl_free(b);
}

/* The first label's number, and what comes of it between 0 and 1. */
static double score_of(const head *h, const float *vector, size_t n_embd, double *ret_share) {
    double x[MAX_EMBD], mid[MAX_EMBD], out[MAX_EMBD];
    size_t n = n_embd;
    for (size_t i = 0; i < n; i++) x[i] = (double)vector[i];
    if (h->n_mid) {
        times("cls.weight", h->has_biases ? "cls.bias" : NULL, 0.2, h->n_mid, n, x, mid);
        n = h->n_mid;
        for (size_t i = 0; i < n; i++)
            x[i] = h->gelu ? 0.5 * mid[i] * (1 + tanh(sqrt(2 / M_PI) * (mid[i] + 0.044715 * pow(mid[i], 3))))
                           : tanh(mid[i]);
        float *w = tensor_numbers(tensor_hash("cls.norm.weight", HEAD_SEED), n, 1, 0.3);
        if (h->eps > 0) assert_true(norm_of_head(w, h->eps, x, n) > 0);
        hl_free(w);
    }
    memcpy(out, x, sizeof out);
    if (h->n_labels)
        times("cls.output.weight", h->has_biases ? "cls.output.bias" : NULL, 0.3, h->n_labels, n, x, out);
    *ret_share = h->softmax ? exp(out[0]) / (exp(out[0]) + exp(out[1])) : 1 / (1 + exp(-out[0]));
    return h->softmax ? *ret_share : out[0];
}

static void check_head(const head *h) {
    static const char *const cpus[] = {NULL, "avx2", "scalar"};
    char                     path[64];
    int32_t                  tokens[N_HEAD_TOKENS];
    float                    vector[MAX_EMBD], scores[3][2];
    size_t                   n_embd = 0;
    json_t                  *model = json_load_file(h->model, 0, NULL);
    assert_non_null(model);
    json_object_set_new(model, "seed", json_integer(HEAD_SEED));
    for (int32_t i = 0; i < N_HEAD_TOKENS; i++) tokens[i] = i * 37 % 128;
    (void)snprintf(path, sizeof path, "/tmp/hl-head-%d.gguf", (int)getpid());
    for (int has_head = 0; has_head < 2; has_head++) {
        if (has_head) add_head(model, h, n_embd);
        fill_skeleton(model, HL_TYPE_f32, path);
        for (int k = 0; k < (has_head ? 3 : 1); k++) {
            hl_err           err = {0};
            const char      *p = path;
            hl_engine       *e = NULL;
            hl_model        *m = NULL;
            hl_runner       *r = NULL;
            hl_embeddings    got;
            hl_embed_input   in[2] = {{.tokens = tokens, .n_tokens = N_HEAD_TOKENS},
                                      {.tokens = tokens, .n_tokens = 9}};
            hl_embed_request req = {.inputs = in, .n_inputs = 1, .pooling = h->pooling, .keeps_length = true};
            const hl_runner_params params = {.sched = {.n_ctx = 64, .kv_type = HL_KV_CACHE_F32}};
            const hl_engine_params ep = {.n_threads = 1, .cpu = cpus[k] ? cpus[k] : test_cpu()};
            assert_int_equal(hl_engine_new(&ep, &e, &err), HL_OK);
            if (hl_model_open(e, &p, 1, NULL, &m, &err) != HL_OK) fail_msg("%s: %s", h->model, err.text);
            if (hl_runner_new(m, &params, &r, &err) != HL_OK) fail_msg("%s", err.text);
            if (has_head) { /* two scores between 0 and 1, and the model's own of the first */
                req.pooling = HL_POOLING_DEFAULT;
                assert_int_equal(hl_runner_embed(r, &req, &got, &err), HL_E_UNSUPPORTED);
                assert_non_null(strstr(err.text, "rerank"));
                req.ranks = true;
                req.n_inputs = 2;
                req.keeps_length = false;
                if (hl_runner_embed(r, &req, &got, &err) != HL_OK) fail_msg("%s: %s", h->model, err.text);
                assert_int_equal(got.n_rows, 2);
                assert_int_equal(got.n_dims, 1);
                scores[k][1] = got.values[0];
                assert_true(got.values[1] > 0 && got.values[1] < 1);
                hl_embeddings_done(&got);
                req.n_inputs = 1;
                req.keeps_length = true;
                if (hl_runner_embed(r, &req, &got, &err) != HL_OK) fail_msg("%s: %s", h->model, err.text);
                scores[k][0] = got.values[0];
            } else {
                if (hl_runner_embed(r, &req, &got, &err) != HL_OK) fail_msg("%s: %s", h->model, err.text);
                n_embd = got.n_dims;
                assert_in_range(n_embd, 1, MAX_EMBD);
                memcpy(vector, got.values, n_embd * sizeof *vector);
            }
            hl_embeddings_done(&got);
            hl_runner_free(r);
            hl_model_close(m);
            hl_engine_free(e);
        }
    }
    double       share = 0;
    const double want = score_of(h, vector, n_embd, &share);
    print_message("%-40s score %.6f, expected %.6f; %.6f, expected %.6f\n", h->model, (double)scores[0][0],
                  want, (double)scores[0][1], share);
    assert_true(fabs(want - (double)scores[0][0]) < 2e-5 * (1 + fabs(want)));
    assert_true(fabs(share - (double)scores[0][1]) < 1e-5);
    assert_memory_equal(scores[0], scores[1], sizeof *scores);
    assert_memory_equal(scores[0], scores[2], sizeof *scores);
    json_decref(model);
    (void)unlink(path);
}

static void heads_score_as_in_double_precision(void **state) {
    (void)state;
    static const head heads[] = {
        {"tests/golden/embed/bert.json", "bert", HL_POOLING_FIRST, 64, 1, true, false, false, 0},
        {"tests/golden/embed/bert.json", "bert", HL_POOLING_FIRST, 0, 3, true, false, false, 0},
        {"tests/golden/embed/bert.json", "bert", HL_POOLING_FIRST, 1, 0, false, false, false, 0}, /* Jina's */
        {"tests/golden/embed/qwen3-embedding.json", "qwen3", HL_POOLING_LAST, 0, 2, false, false, true, 0},
        {"tests/golden/archs2/modern-bert.skeleton.json", "modern-bert", HL_POOLING_MEAN, 64, 1, true, true,
         false, 0.003},
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) check_head(&heads[i]);
}

typedef struct encoder {
    char       path[64];
    hl_engine *e;
    hl_model  *m;
    hl_runner *r;
} encoder;

static encoder open_bert(int32_t n_ctx) {
    encoder     x = {0};
    hl_err      err = {0};
    json_t     *model = json_load_file("tests/golden/embed/bert.json", 0, NULL);
    const char *p = x.path;
    (void)snprintf(x.path, sizeof x.path, "/tmp/hl-encoder-%d.gguf", (int)getpid());
    fill_skeleton(model, HL_TYPE_f32, x.path);
    json_decref(model);
    assert_int_equal(hl_engine_new(&(hl_engine_params){.n_threads = 2, .cpu = test_cpu()}, &x.e, &err),
                     HL_OK);
    if (hl_model_open(x.e, &p, 1, NULL, &x.m, &err) != HL_OK) fail_msg("%s", err.text);
    const hl_runner_params params = {.sched = {.n_ctx = n_ctx}};
    if (hl_runner_new(x.m, &params, &x.r, &err) != HL_OK) fail_msg("%s", err.text);
    return x;
}

static void close_bert(encoder *x) {
    hl_runner_free(x->r);
    hl_model_close(x->m);
    hl_engine_free(x->e);
    (void)unlink(x->path);
}

static void texts_longer_than_a_tile_are_seen_as_a_whole(void **state) {
    (void)state;
    enum { N = 5, N_EMBD = 64 };
    static const size_t n_tokens[N] = {128, 100, 90, 70, 128};
    int32_t             tokens[MAX_TOKENS];
    hl_embed_input      in[N];
    hl_embeddings       all, one;
    encoder             x = open_bert(0);
    for (size_t i = 0; i < MAX_TOKENS; i++) tokens[i] = (int32_t)(i * 37 % 128);
    for (size_t i = 0; i < N; i++) in[i] = (hl_embed_input){.tokens = tokens, .n_tokens = n_tokens[i]};
    hl_embed_request req = {.inputs = in, .n_inputs = N, .pooling = HL_POOLING_FIRST};
    assert_int_equal(hl_runner_embed(x.r, &req, &all, NULL), HL_OK);
    req.n_inputs = 1;
    for (size_t i = 0; i < N; i++) { /* alone */
        req.inputs = &in[i];
        assert_int_equal(hl_runner_embed(x.r, &req, &one, NULL), HL_OK);
        assert_memory_equal(one.values, all.values + i * N_EMBD, N_EMBD * sizeof(float));
        hl_embeddings_done(&one);
    }
    tokens[MAX_TOKENS - 1]++; /* the first row sees the last one */
    req.inputs = in;
    assert_int_equal(hl_runner_embed(x.r, &req, &one, NULL), HL_OK);
    assert_memory_not_equal(one.values, all.values, N_EMBD * sizeof(float));
    hl_embeddings_done(&one);
    hl_embeddings_done(&all);
    close_bert(&x);
}

static void an_encoder_does_not_generate(void **state) {
    (void)state;
    static const char words[] = "architecture 'bert' cannot generate: an encoder";
    hl_err            err = {0};
    hl_session       *session = NULL;
    hl_generation    *g = NULL;
    hl_request        req;
    hl_model_info     info;
    int32_t           n = 0;
    encoder           x = open_bert(4096); /* more than it has learned positions for */
    hl_model_get_info(x.m, &info);
    assert_true(info.is_encoder && info.is_for_embedding);
    assert_int_equal(hl_session_new(x.m, NULL, &session, &err), HL_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, words));
    hl_request_init(&req);
    req.prompt = hl_view_of("Hello");
    assert_int_equal(hl_runner_submit(x.r, &req, &g, &err), HL_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, words));
    assert_int_equal(hl_runner_count(x.r, &req, &n, &err), HL_E_UNSUPPORTED);
    static int32_t         tokens[129];
    const hl_embed_input   in = {.tokens = tokens, .n_tokens = 129};
    const hl_embed_request embed_it = {.inputs = &in, .n_inputs = 1};
    hl_embeddings          got;
    assert_int_equal(hl_runner_embed(x.r, &embed_it, &got, &err), HL_E_FULL);
    assert_non_null(strstr(err.text, "129 tokens and the context holds 128"));
    hl_embeddings_done(&got);
    close_bert(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(our_vectors_agree_with_the_reference),
                                       cmocka_unit_test(packed_encoders_agree_with_the_reference_too),
                                       cmocka_unit_test(heads_score_as_in_double_precision),
                                       cmocka_unit_test(matrices_behind_pooling_are_applied),
                                       cmocka_unit_test(texts_longer_than_a_tile_are_seen_as_a_whole),
                                       cmocka_unit_test(an_encoder_does_not_generate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
