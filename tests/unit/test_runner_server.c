/* SPDX-License-Identifier: MIT
 *
 * test_runner_server.c - what becomes of a server's answers: a server of this test says what it is told to,
 * byte by byte, and sees what it is asked and when its client leaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/data/json.h"
#include "host/remote/runner_server.h"
#include "host/resident.h"
#include "stub_server.h"

#define INFO                                                                                                 \
    "{\"n_ctx\":4096,\"n_ctx_cap\":8192,\"n_ctx_train\":2048,"                                               \
    "\"has_template\":true,\"load_ns\":7}"
#define LINE(text) "{\"text\":\"" text "\"}\n"
#define USAGE                                                                                                \
    "{\"usage\":{\"end\":2,\"seed\":99,\"prompt_tokens\":5,\"cached_tokens\":4,\"answer_tokens\":2,"         \
    "\"drafted_tokens\":3,\"accepted_tokens\":1,\"prompt_ns\":11,\"answer_ns\":12,\"total_ns\":30}}\n"

enum { N_SAID = 4, MAX_REQUEST = 1 << 20 };

/* ---- The server ---- */

typedef enum ending { ENDS, HANGS, BREAKS_OFF } ending;

typedef struct server {
    int         fd;
    char        url[64];
    pthread_t   thread;
    int         code;
    const char *said[N_SAID]; /* of an answer, a packet each */
    int         n_times;      /* how often the last one is said */
    ending      how;
    char        asked[MAX_REQUEST]; /* the last body */
    bool        was_left;           /* the client closed while it was being answered */
    size_t      n_sent;
} server;

static bool say(server *s, int fd, const char *text) {
    const size_t n = strlen(text);
    char         head[32];
    (void)snprintf(head, sizeof head, "%zx\r\n", n);
    if (send(fd, head, strlen(head), MSG_NOSIGNAL) < 0 || send(fd, text, n, MSG_NOSIGNAL) < 0 ||
        send(fd, "\r\n", 2, MSG_NOSIGNAL) < 0) {
        s->was_left = true;
        return false;
    }
    (void)__atomic_fetch_add(&s->n_sent, n, __ATOMIC_RELAXED);
    return true;
}

static void answer(server *s, int fd) {
    char head[200];
    (void)snprintf(head, sizeof head,
                   "HTTP/1.1 %d X\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n", s->code);
    (void)send(fd, head, strlen(head), MSG_NOSIGNAL);
    const char *last = NULL;
    for (int i = 0; i < N_SAID && s->said[i]; i++)
        if (!say(s, fd, last = s->said[i])) return;
    for (int i = 1; last && i < s->n_times; i++)
        if (!say(s, fd, last)) return;
    if (s->how == HANGS) {
        char byte;
        s->was_left = recv(fd, &byte, 1, 0) <= 0;
    }
    if (s->how == ENDS) (void)send(fd, "0\r\n\r\n", 5, MSG_NOSIGNAL);
}

static void *serve(void *user) {
    server *s = user;
    for (;;) {
        const int fd = accept(s->fd, NULL, NULL);
        if (fd < 0) return NULL;
        (void)stub_read_request(fd, s->asked, MAX_REQUEST);
        char whole[400];
        if (strstr(s->asked, "/v1/runner/load") || strstr(s->asked, "/v1/runner/count")) {
            const char *body = strstr(s->asked, "/load") ? INFO : "{\"tokens\":42}";
            (void)snprintf(whole, sizeof whole,
                           "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                           strlen(body), body);
            (void)send(fd, whole, strlen(whole), MSG_NOSIGNAL);
        } else {
            answer(s, fd);
        }
        (void)close(fd);
    }
}

static server *begin(int code, ending how, const char *said) {
    server *s = calloc(1, sizeof *s);
    *s = (server){.code = code, .how = how, .said = {said}};
    s->fd = stub_listen(s->url);
    assert_true(s->fd >= 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    return s;
}

static void end(server *s) {
    (void)shutdown(s->fd, SHUT_RDWR);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->fd);
    free(s);
}

static hl_runner *open_runner(const server *s) {
    hl_runner *r = NULL;
    hl_err     err = {0};
    int64_t    load_ns = 0;
    hl_options o;
    hl_options_init(&o);
    hl_server_place place = {0};
    (void)snprintf(place.url, sizeof place.url, "%s", s->url);
    if (hl_runner_server_new(&place, "some:model", &o, HL_KEEP_DEFAULT, &r, &load_ns, &err) != HL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(load_ns, 7);
    hl_options_done(&o);
    return r;
}

/* ---- What is said ---- */

typedef struct heard {
    char      text[256], thought[256];
    hl_status status;
    hl_usage  usage;
    hl_err    err;
} heard;

static bool hear(void *user, const hl_token_event *ev) {
    heard *h = user;
    char  *to = ev->is_thinking ? h->thought : h->text;
    assert_int_equal(ev->token, -1);
    assert_true(strlen(to) + ev->text.len < sizeof h->text);
    (void)strncat(to, ev->text.ptr, ev->text.len);
    return true;
}

static heard ask_with(const server *s, const hl_request *r) {
    heard      h = {.status = HL_OK};
    hl_runner *runner = open_runner(s);
    h.status = hl_runner_generate(runner, r, hear, &h, &h.usage, &h.err);
    hl_runner_free(runner);
    return h;
}

static heard ask(const server *s) {
    hl_request r;
    hl_request_init(&r);
    r.prompt = hl_view_of("hi");
    return ask_with(s, &r);
}

static void an_answer_comes_as_it_is_said_with_its_counts(void **state) {
    (void)state;
    server *s = begin(200, ENDS, "{\"thinking\":\"so\"}\n" LINE("Hel") "{\"te");
    s->said[1] = "xt\":\"lo\"}"; /* lines end where they end, not with their packets */
    s->said[2] = "\n\n{\"unknown\":1}\n" USAGE;
    const heard h = ask(s);
    assert_int_equal(h.status, HL_OK);
    assert_string_equal(h.text, "Hello");
    assert_string_equal(h.thought, "so");
    assert_int_equal(h.usage.end, HL_END_LENGTH);
    assert_int_equal(h.usage.seed, 99);
    assert_int_equal(h.usage.prompt_tokens, 5);
    assert_int_equal(h.usage.cached_tokens, 4);
    assert_int_equal(h.usage.answer_tokens, 2);
    assert_int_equal(h.usage.drafted_tokens, 3);
    assert_int_equal(h.usage.accepted_tokens, 1);
    assert_int_equal(h.usage.prompt_ns, 11);
    assert_int_equal(h.usage.answer_ns, 12);
    assert_int_equal(h.usage.total_ns, 30);
    end(s);
}

static void a_failure_keeps_its_status_and_its_words(void **state) {
    (void)state;
    static const struct {
        int         code;
        ending      how;
        const char *said;
        hl_status   status;
        const char *words;
    } rows[] = {
        {400, ENDS, "{\"error\":\"too long\",\"status\":\"E_FULL\"}", HL_E_FULL, "too long"},
        {404, ENDS, "{\"error\":\"no such\",\"status\":\"E_NOT_FOUND\"}", HL_E_NOT_FOUND, "no such"},
        {404, ENDS, "{\"error\":\"of another\"}", HL_E_NET, "of another"},
        {503, ENDS, "<html>", HL_E_NET, "status 503"},
        {200, ENDS, LINE("Hel") "{\"error\":\"broke\",\"status\":\"E_IO\"}\n", HL_E_IO, "broke"},
        {200, ENDS, LINE("Hel") "no JSON\n", HL_E_FORMAT, "answer"},
        {200, ENDS, LINE("Hel"), HL_E_NET, "has no end"},
        {200, ENDS, NULL, HL_E_NET, "has no end"},
        {200, BREAKS_OFF, LINE("Hel"), HL_E_NET, "is gone"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        server     *s = begin(rows[i].code, rows[i].how, rows[i].said);
        const heard h = ask(s);
        assert_int_equal(h.status, rows[i].status);
        if (!strstr(h.err.text, rows[i].words)) fail_msg("'%s' in '%s'", rows[i].words, h.err.text);
        end(s);
    }
}

static void the_request_says_all_that_counts(void **state) {
    (void)state;
    server     *s = begin(200, ENDS, USAGE);
    const char *stops[] = {"a\"b", "c"};
    hl_request  r;
    json_t     *asked = NULL;
    hl_request_init(&r);
    r.messages_json = "[{\"role\":\"user\",\"content\":\"hi\"}]";
    r.template_text = "{{ x }}";
    r.raw = true;
    r.think = HL_THINK_HIGH;
    r.speculate = HL_SPECULATE_OFF;
    r.sampling.temperature = 0.1f;
    r.sampling.seed = INT64_MAX;
    r.max_tokens = 17;
    r.n_ctx = 123;
    r.stops = stops;
    r.n_stops = 2;
    assert_int_equal(ask_with(s, &r).status, HL_OK);
    assert_int_equal(hl_json_parse(hl_view_of(strstr(s->asked, "\r\n\r\n") + 4), "request", &asked, NULL),
                     HL_OK);
    const json_t *o = json_object_get(asked, "options"), *list = json_object_get(o, "stop");
    assert_string_equal(hl_json_text(asked, "model"), "some:model");
    assert_int_equal(json_array_size(json_object_get(asked, "messages")), 1);
    assert_null(json_object_get(asked, "prompt"));
    assert_string_equal(hl_json_text(asked, "template"), "{{ x }}");
    assert_true(hl_json_bool(asked, "raw", false));
    assert_string_equal(hl_json_text(asked, "think"), "high");
    assert_string_equal(hl_json_text(asked, "speculate"), "off");
    assert_true((float)json_number_value(json_object_get(o, "temperature")) == 0.1f);
    assert_true(hl_json_int(o, "seed", 0) == INT64_MAX);
    assert_int_equal(hl_json_int(o, "num_predict", 0), 17);
    assert_int_equal(hl_json_int(o, "num_ctx", 0), 123);
    assert_null(json_object_get(o, "num_batch"));
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_array_get(list, 0)), "a\"b");
    json_decref(asked);
    end(s);
}

static void what_a_server_is_not_asked_is_refused(void **state) {
    (void)state;
    server    *s = begin(200, ENDS, USAGE);
    hl_request r;
    hl_request_init(&r);
    r.prompt = hl_view_of("hi");
    r.n_top = 1;
    assert_int_equal(ask_with(s, &r).status, HL_E_UNSUPPORTED);
    r.n_top = 0;
    r.prompt = hl_view_of("\xff");
    assert_int_equal(ask_with(s, &r).status, HL_E_UNSUPPORTED);
    r.prompt = hl_view_of("hi");
    r.max_tokens = -5;
    assert_int_equal(ask_with(s, &r).status, HL_E_ARG);
    end(s);
}

static void info_and_counts_are_the_servers(void **state) {
    (void)state;
    server        *s = begin(200, ENDS, USAGE);
    hl_runner     *runner = open_runner(s);
    hl_runner_info info;
    hl_request     r;
    int32_t        n = 0;
    hl_runner_get_info(runner, &info);
    assert_string_equal(info.kind, "server");
    assert_int_equal(info.n_ctx, 4096);
    assert_int_equal(info.n_ctx_cap, 8192);
    assert_int_equal(info.n_ctx_train, 2048);
    assert_true(info.has_template);
    assert_int_equal(info.weights_bytes, 0);
    hl_request_init(&r);
    r.prompt = hl_view_of("hi");
    assert_int_equal(hl_runner_count(runner, &r, &n, NULL), HL_OK);
    assert_int_equal(n, 42);
    hl_runner_free(runner);
    end(s);
}

/* ---- The end, before the end ---- */

typedef enum who { CANCELS, STOPS_ALL, SETS_THE_FLAG, FREES, IS_LATE, N_WHO } who;

static void whoever_ends_an_answer_ends_the_connection(void **state) {
    (void)state;
    for (who w = 0; w < N_WHO; w++) {
        static volatile int flag;
        server             *s = begin(200, HANGS, LINE("Hel"));
        hl_runner          *runner = open_runner(s);
        hl_generation      *g = NULL;
        hl_generation_event ev;
        hl_request          r;
        flag = 0;
        hl_request_init(&r);
        r.prompt = hl_view_of("hi");
        if (w == IS_LATE) r.timeout_ms = 300;
        if (w == SETS_THE_FLAG) (void)hl_stop_watch(&flag);
        assert_int_equal(hl_runner_submit(runner, &r, &g, NULL), HL_OK);
        (void)hl_stop_watch(NULL);
        if (w != IS_LATE) {
            assert_int_equal(hl_generation_next(g, -1, &ev), HL_OK);
            assert_int_equal(ev.kind, HL_EVENT_TOKEN);
        }
        if (w == CANCELS) hl_generation_cancel(g);
        if (w == STOPS_ALL) hl_runner_stop(runner);
        if (w == SETS_THE_FLAG) __atomic_store_n(&flag, 1, __ATOMIC_RELAXED);
        if (w != FREES) {
            while (hl_generation_next(g, -1, &ev) == HL_OK && ev.kind == HL_EVENT_TOKEN) continue;
            assert_int_equal(ev.status, HL_OK);
            assert_int_equal(ev.usage.end, w == IS_LATE ? HL_END_TIMEOUT : HL_END_CANCEL);
            assert_int_equal(ev.usage.answer_tokens, 1);
            assert_true(ev.usage.total_ns > 0 && ev.usage.first_token_ns > 0);
        }
        hl_generation_free(g);
        hl_runner_free(runner);
        (void)shutdown(s->fd, SHUT_RDWR);
        (void)pthread_join(s->thread, NULL);
        assert_true(s->was_left);
        (void)close(s->fd);
        free(s);
    }
}

/* A reader that does not read stops the server: what is under way does not grow with the answer. */
static void a_slow_reader_stops_the_server_and_misses_nothing(void **state) {
    (void)state;
    enum { N_LINES = 400 };
    static char         line[100 << 10];
    server             *s = begin(200, ENDS, "");
    hl_runner          *runner = open_runner(s);
    hl_generation      *g = NULL;
    hl_generation_event ev;
    hl_request          r;
    size_t              n_before = 0, n = 0;
    memset(line, 'x', sizeof line);
    memcpy(line, "{\"text\":\"", 9);
    memcpy(line + sizeof line - 5, "\"}\n", 4);
    s->said[0] = line;
    s->n_times = N_LINES;
    hl_request_init(&r);
    r.prompt = hl_view_of("hi");
    assert_int_equal(hl_runner_submit(runner, &r, &g, NULL), HL_OK);
    do { /* until nothing more is sent */
        n_before = __atomic_load_n(&s->n_sent, __ATOMIC_RELAXED);
        (void)usleep(300000);
    } while (__atomic_load_n(&s->n_sent, __ATOMIC_RELAXED) != n_before || n_before == 0);
    assert_true(n_before < N_LINES * sizeof line / 2);
    while (hl_generation_next(g, -1, &ev) == HL_OK && ev.kind == HL_EVENT_TOKEN) n += ev.token.text.len;
    assert_int_equal(ev.status, HL_E_NET); /* it said no usage */
    assert_int_equal(n, N_LINES * (sizeof line - 14));
    hl_generation_free(g);
    hl_runner_free(runner);
    end(s);
}

static void many_answers_at_once_and_freed_with_their_runner(void **state) {
    (void)state;
    server        *s = begin(200, ENDS, LINE("a") USAGE);
    hl_runner     *runner = open_runner(s);
    hl_generation *all[16];
    hl_request     r;
    hl_request_init(&r);
    r.prompt = hl_view_of("hi");
    for (int i = 0; i < 16; i++) assert_int_equal(hl_runner_submit(runner, &r, &all[i], NULL), HL_OK);
    for (int i = 0; i < 16; i++) {
        hl_generation_event ev = {.kind = HL_EVENT_TOKEN};
        while (hl_generation_next(all[i], -1, &ev) == HL_OK && ev.kind == HL_EVENT_TOKEN) continue;
        assert_int_equal(ev.status, HL_OK);
        hl_generation_free(all[i]);
    }
    hl_runner_free(runner);
    end(s);
}

static void a_server_that_is_not_there_is_none(void **state) {
    (void)state;
    server         *s = begin(200, ENDS, "");
    hl_runner      *r = NULL;
    hl_err          err = {0};
    int64_t         load_ns;
    char            url[64];
    hl_server_place place = {0};
    hl_options      o;
    (void)snprintf(url, sizeof url, "%s", s->url);
    assert_false(hl_server_find(url, NULL, NULL, "x", &place, NULL)); /* it answers, and not as one of ours */
    end(s);
    assert_false(hl_server_find(url, NULL, NULL, "x", &place, NULL));
    hl_options_init(&o);
    (void)snprintf(place.url, sizeof place.url, "%s", url);
    assert_int_equal(hl_runner_server_new(&place, "m", &o, 0, &r, &load_ns, &err), HL_E_NET);
    assert_non_null(strstr(err.text, "is gone"));
    hl_options_done(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_as_it_is_said_with_its_counts),
        cmocka_unit_test(a_failure_keeps_its_status_and_its_words),
        cmocka_unit_test(the_request_says_all_that_counts),
        cmocka_unit_test(what_a_server_is_not_asked_is_refused),
        cmocka_unit_test(info_and_counts_are_the_servers),
        cmocka_unit_test(whoever_ends_an_answer_ends_the_connection),
        cmocka_unit_test(a_slow_reader_stops_the_server_and_misses_nothing),
        cmocka_unit_test(many_answers_at_once_and_freed_with_their_runner),
        cmocka_unit_test(a_server_that_is_not_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
