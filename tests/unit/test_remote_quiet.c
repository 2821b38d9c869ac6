/* SPDX-License-Identifier: MIT
 *
 * test_remote_quiet.c - whose silence it is: a server's is an error after a while, a reader's is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>

#include "host/remote/runner_openai.h"
#include "stub_server.h"

enum { N_EVENTS = 120, IDLE_MS = 1000 }; /* more than wait in a queue, in less than one read */

typedef struct server {
    int   fd;
    char  url[64];
    sem_t goes_on;
} server;

/* Many events at once, then nothing until it may go on, then the end. */
static void *serve(void *user) {
    server   *s = user;
    char      request[4096], events[N_EVENTS * 64] = "";
    const int fd = accept(s->fd, NULL, NULL);
    if (fd < 0 || !stub_read_request(fd, request, sizeof request)) return NULL;
    for (int i = 0; i < N_EVENTS; i++)
        strcat(events, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n");
    (void)stub_send(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
    (void)stub_send(fd, events);
    (void)sem_wait(&s->goes_on);
    (void)stub_send(fd, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                        "data: [DONE]\n\n");
    (void)close(fd);
    return NULL;
}

static hl_generation *ask(const server *s, hl_runner **ret_runner) {
    char           record[200];
    hl_upstreams  *u = NULL;
    hl_generation *g = NULL;
    hl_request     r;
    hl_err         err = {0};
    (void)snprintf(record, sizeof record,
                   "{\"upstreams\":[{\"url\":\"%s/v1\",\"model\":\"m\"}],\"idle_ms\":%d,\"attempts\":1}",
                   s->url, (int)IDLE_MS);
    if (hl_upstreams_new(record, (char *const[]){NULL}, NULL, &u, &err) != HL_OK) fail_msg("%s", err.text);
    if (hl_runner_openai_new(u, NULL, ret_runner, &err) != HL_OK) fail_msg("%s", err.text);
    hl_request_init(&r);
    r.prompt = hl_view_of("Hi");
    if (hl_runner_submit(*ret_runner, &r, &g, &err) != HL_OK) fail_msg("%s", err.text);
    return g;
}

/* pause_s: until the reader begins. goes_on: the server ends its answer when all was read. */
static hl_generation_event read_answer(int pause_s, bool goes_on, int *ret_n) {
    server              s = {.fd = -1};
    pthread_t           thread;
    hl_runner          *r = NULL;
    hl_generation_event ev = {.kind = HL_EVENT_TOKEN};
    assert_int_equal(sem_init(&s.goes_on, 0, 0), 0);
    s.fd = stub_listen(s.url);
    assert_true(s.fd >= 0 && pthread_create(&thread, NULL, serve, &s) == 0);
    hl_generation *g = ask(&s, &r);
    (void)sleep((unsigned)pause_s);
    *ret_n = 0;
    while (hl_generation_next(g, -1, &ev) == HL_OK && ev.kind == HL_EVENT_TOKEN)
        if (++*ret_n == N_EVENTS && goes_on) (void)sem_post(&s.goes_on);
    ev.err = NULL;
    (void)sem_post(&s.goes_on);
    (void)pthread_join(thread, NULL);
    (void)close(s.fd);
    (void)sem_destroy(&s.goes_on);
    hl_generation_free(g);
    hl_runner_free(r);
    return ev;
}

static void a_reader_may_take_longer_than_a_server(void **state) {
    (void)state;
    int                       n = 0;
    const hl_generation_event ev = read_answer(3, true, &n);
    assert_int_equal(n, N_EVENTS);
    assert_int_equal(ev.status, HL_OK);
    assert_int_equal(ev.usage.end, HL_END_STOP);
}

static void a_server_that_says_nothing_any_more_is_an_error(void **state) {
    (void)state;
    int                       n = 0;
    const hl_generation_event ev = read_answer(0, false, &n);
    assert_int_equal(n, N_EVENTS);
    assert_int_equal(ev.status, HL_E_NET);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_may_take_longer_than_a_server),
        cmocka_unit_test(a_server_that_says_nothing_any_more_is_an_error),
    };
    return cmocka_run_group_tests_name("remote_quiet", tests, NULL, NULL);
}
