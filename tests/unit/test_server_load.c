/* SPDX-License-Identifier: MIT
 *
 * test_server_load.c - a model that does not come holds up only those who want it: a server in this process,
 * asked over HTTP while the mapping of one model's file is held.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/net/http_client.h"
#include "host/resident.h"
#include "model_fixture.h"
#include "server/server.h"

enum { N_SLOW = 6, N_ASKS = 60 }; /* more models than are loaded at once, more requests than workers */

/* ---- Files of these sizes are not mapped while the gate is shut ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    size_t          sizes[N_SLOW], n_sizes;
    bool            is_shut;
    int             n_held, n_held_most;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static bool is_slow(int fd) {
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) return false;
    for (size_t i = 0; i < gate.n_sizes; i++)
        if ((size_t)st.st_size == gate.sizes[i]) return true;
    return false;
}

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset) {
    (void)pthread_mutex_lock(&gate.lock);
    if (gate.is_shut && is_slow(fd)) {
        gate.n_held++;
        if (gate.n_held > gate.n_held_most) gate.n_held_most = gate.n_held;
        (void)pthread_cond_broadcast(&gate.changed);
        while (gate.is_shut) (void)pthread_cond_wait(&gate.changed, &gate.lock);
        gate.n_held--;
    }
    (void)pthread_mutex_unlock(&gate.lock);
    const long got = syscall(SYS_mmap, at, n, protection, flags, fd, offset);
    return (void *)got; /* NOLINT: an address */
}

static void set_gate(bool is_shut) {
    (void)pthread_mutex_lock(&gate.lock);
    gate.is_shut = is_shut;
    (void)pthread_cond_broadcast(&gate.changed);
    (void)pthread_mutex_unlock(&gate.lock);
}

static void wait_until_held(int n) {
    (void)pthread_mutex_lock(&gate.lock);
    while (gate.n_held < n) (void)pthread_cond_wait(&gate.changed, &gate.lock);
    (void)pthread_mutex_unlock(&gate.lock);
}

/* ---- The server ---- */

typedef struct setup {
    char       dir[64], models[96], db[96], cache[96];
    hl_config *config;
    hl_paths   paths;
    hl_host   *host;
    hl_server *server;
} setup;

static void set(setup *x, hl_setting id, const char *value) {
    hl_err err = {0};
    if (hl_config_set(x->config, id, hl_view_of(value), HL_ORIGIN_FLAG, "test", &err) != HL_OK)
        fail_msg("%s", err.text);
}

/* Each model has a vocabulary, and so a size, of its own. */
static void import(setup *x, const char *name, uint32_t n_vocab, bool slow) {
    const mf_shape shape = {.n_vocab = n_vocab,
                            .n_embd = 64,
                            .n_heads = 2,
                            .n_kv_heads = 1,
                            .head_dim = 32,
                            .n_ff = 64,
                            .n_layers = 1,
                            .type = HL_TYPE_q8_0};
    char           path[128];
    const char    *paths[] = {path};
    hl_err         err = {0};
    hl_store      *store = NULL;
    hl_name        written;
    struct stat    st;
    (void)snprintf(path, sizeof path, "%s/%s.gguf", x->dir, name);
    if (mf_write(path, &shape, &err) != HL_OK || hl_host_store(x->host, &store, &err) != HL_OK ||
        hl_store_import(store, paths, 1, name, NULL, &written, &err) != HL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(stat(path, &st), 0);
    if (slow) gate.sizes[gate.n_sizes++] = (size_t)st.st_size;
}

static void begin(setup *x) {
    hl_err err = {0};
    *x = (setup){.dir = "/tmp/hl_test_server_load.XXXXXX"};
    gate.n_sizes = 0;
    gate.n_held_most = 0;
    assert_non_null(mkdtemp(x->dir));
    (void)snprintf(x->models, sizeof x->models, "%s/models", x->dir);
    (void)snprintf(x->db, sizeof x->db, "%s/hyperlama.db", x->dir);
    (void)snprintf(x->cache, sizeof x->cache, "%s/cache", x->dir);
    x->paths = (hl_paths){.home = x->dir, .models = x->models, .db = x->db, .cache = x->cache};
    assert_int_equal(hl_config_new(&x->config, &err), HL_OK);
    set(x, HL_SETTING_server_host, "127.0.0.1:0");
    set(x, HL_SETTING_engine_n_threads, "1");
    set(x, HL_SETTING_engine_n_ctx, "256");
    set(x, HL_SETTING_cache_quota_mib, "0");
    assert_int_equal(hl_host_new(x->config, &x->paths, NULL, &x->host, &err), HL_OK);
    import(x, "quick", 300, false);
    for (uint32_t i = 0; i < N_SLOW; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "slow%u", (unsigned)i);
        import(x, name, 400 + 100 * i, true);
    }
    if (hl_server_start(x->host, x->config, NULL, "test", NULL, 0, &x->server, &err) != HL_OK)
        fail_msg("%s", err.text);
}

static void end(setup *x) {
    char command[128];
    hl_server_stop(x->server, 10000);
    hl_host_free(x->host);
    hl_config_free(x->config);
    (void)snprintf(command, sizeof command, "rm -r %s", x->dir);
    assert_int_equal(system(command), 0); /* NOLINT: a test's own folder */
}

/* ---- Its clients ---- */

typedef struct client {
    const setup *x;
    const char  *method, *path;
    char         body[200];
    int          code;
    pthread_t    thread;
} client;

static int are_leaving; /* all clients */

static bool is_leaving(void *user) {
    (void)user;
    return __atomic_load_n(&are_leaving, __ATOMIC_RELAXED) != 0;
}

static void *ask(void *user) {
    client      *c = user;
    char         url[200];
    hl_str       answer;
    hl_err       err = {0};
    int          code = 0;
    hl_http_call call = {.method = c->method, .url = url};
    if (c->body[0]) {
        call.body = hl_view_of(c->body);
        call.is_over = is_leaving;
    }
    (void)snprintf(url, sizeof url, "%s%s", hl_server_address(c->x->server), c->path);
    hl_str_init(&answer, 1 << 20);
    if (hl_http_ask(&call, &answer, &code, &err) != HL_OK) code = -1;
    __atomic_store_n(&c->code, code, __ATOMIC_RELEASE);
    hl_str_done(&answer);
    return NULL;
}

static client for_model(const setup *x, const char *model) {
    client c = {.x = x, .method = "POST", .path = "/api/generate"};
    (void)snprintf(
        c.body, sizeof c.body,
        "{\"model\":\"%s\",\"prompt\":\"a\",\"raw\":true,\"stream\":false,\"options\":{\"num_predict\":2}}",
        model);
    return c;
}

static int answer_of(const setup *x, const char *method, const char *path) {
    client c = {.x = x, .method = method, .path = path};
    (void)ask(&c);
    return c.code;
}

/* ---- Tests ---- */

/* Of one model, or of each of the slow ones in turn. */
static void stall(setup *x, client asks[N_ASKS], int n_models) {
    char name[16];
    set_gate(true);
    for (int i = 0; i < N_ASKS; i++) {
        (void)snprintf(name, sizeof name, "slow%d", i % n_models);
        asks[i] = for_model(x, name);
        assert_int_equal(pthread_create(&asks[i].thread, NULL, ask, &asks[i]), 0);
    }
    wait_until_held(n_models < HL_MOST_LOADS ? n_models : HL_MOST_LOADS);
}

static void all_are_answered(client asks[N_ASKS]) {
    set_gate(false);
    for (int i = 0; i < N_ASKS; i++) {
        (void)pthread_join(asks[i].thread, NULL);
        assert_int_equal(asks[i].code, 200);
    }
}

static uint64_t n_waiting(const setup *x) {
    char   url[200];
    hl_str answer;
    int    code = 0;
    (void)snprintf(url, sizeof url, "%s/metrics", hl_server_address(x->server));
    const hl_http_call call = {.method = "GET", .url = url};
    hl_str_init(&answer, 1 << 20);
    assert_int_equal(hl_http_ask(&call, &answer, &code, NULL), HL_OK);
    const char    *at = strstr(hl_str_text(&answer), "\nhyperlama_waiting ");
    const uint64_t n = at ? strtoull(at + sizeof "\nhyperlama_waiting", NULL, 10) : 0;
    hl_str_done(&answer);
    return n;
}

/* Until the server has all of them: what it answers then, it answers beside them. */
static void wait_for_all(const setup *x, uint64_t n) {
    while (n_waiting(x) != n) (void)usleep(1000);
}

static void a_model_that_does_not_come_holds_up_nobody_else(void **state) {
    (void)state;
    setup  x;
    client asks[N_ASKS];
    begin(&x);
    stall(&x, asks, 1);
    wait_for_all(&x, N_ASKS - 1); /* the one that loads it does not wait */
    assert_int_equal(answer_of(&x, "GET", "/api/tags"), 200);
    assert_int_equal(answer_of(&x, "GET", "/api/ps"), 200);
    client quick = for_model(&x, "quick");
    (void)ask(&quick);
    assert_int_equal(quick.code, 200);
    assert_int_equal(gate.n_held_most, 1);
    all_are_answered(asks);
    end(&x);
}

static void models_are_loaded_some_at_a_time_and_the_rest_after_them(void **state) {
    (void)state;
    setup  x;
    client asks[N_ASKS];
    begin(&x);
    stall(&x, asks, N_SLOW);
    wait_for_all(&x, N_ASKS - HL_MOST_LOADS);
    assert_int_equal(answer_of(&x, "GET", "/api/tags"), 200);
    assert_int_equal(gate.n_held_most, HL_MOST_LOADS);
    all_are_answered(asks);
    end(&x);
}

/* One that a worker has just taken is neither queued nor parked for a moment, and one more may come in then:
 * so more are sent, until one is refused. */
static void requests_that_wait_for_a_model_count_as_waiting(void **state) {
    (void)state;
    setup  x;
    hl_err err = {0};
    client asks[N_ASKS], late[N_ASKS];
    int    n_late = 0;
    bool   is_refused = false;
    begin(&x);
    hl_server_stop(x.server, 0);
    set(&x, HL_SETTING_server_max_queue, "60");
    if (hl_server_start(x.host, x.config, NULL, "test", NULL, 0, &x.server, &err) != HL_OK)
        fail_msg("%s", err.text);
    stall(&x, asks, 1);
    wait_for_all(&x, N_ASKS - 1);
    for (; !is_refused; n_late++) {
        assert_true(n_late < N_ASKS);
        late[n_late] = for_model(&x, "slow0");
        assert_int_equal(pthread_create(&late[n_late].thread, NULL, ask, &late[n_late]), 0);
        const uint64_t n_taken = (uint64_t)(N_ASKS + n_late);
        while (!is_refused && n_waiting(&x) < n_taken)
            is_refused = __atomic_load_n(&late[n_late].code, __ATOMIC_ACQUIRE) != 0;
    }
    assert_int_equal(late[n_late - 1].code, 503);
    all_are_answered(asks);
    for (int i = 0; i < n_late; i++) {
        (void)pthread_join(late[i].thread, NULL);
        assert_int_equal(late[i].code, i == n_late - 1 ? 503 : 200);
    }
    end(&x);
}

static void clients_that_leave_do_not_wait_for_what_does_not_come(void **state) {
    (void)state;
    setup  x;
    client asks[N_ASKS];
    begin(&x);
    stall(&x, asks, 1);
    wait_for_all(&x, N_ASKS - 1);
    __atomic_store_n(&are_leaving, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < N_ASKS; i++) {
        (void)pthread_join(asks[i].thread, NULL);
        assert_int_equal(asks[i].code, -1);
    }
    wait_for_all(&x, 0);
    __atomic_store_n(&are_leaving, 0, __ATOMIC_RELAXED);
    set_gate(false);
    client late = for_model(&x, "slow0");
    (void)ask(&late);
    assert_int_equal(late.code, 200);
    end(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_that_does_not_come_holds_up_nobody_else),
        cmocka_unit_test(models_are_loaded_some_at_a_time_and_the_rest_after_them),
        cmocka_unit_test(requests_that_wait_for_a_model_count_as_waiting),
        cmocka_unit_test(clients_that_leave_do_not_wait_for_what_does_not_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
