/* SPDX-License-Identifier: MIT
 *
 * openai_stub.h - a server of OpenAI's protocol in a test's process, behind which a fake runner
 * (fake_runner.h) writes: so a remote runner can be held to what every runner promises.
 *
 * The prompt is the content of the only message. It counts, stops, reasons (chat_template_kwargs) and ends as
 * the fake runner does; a client that leaves cancels its answer.
 */
#ifndef HL_TESTS_UNIT_OPENAI_STUB_H
#define HL_TESTS_UNIT_OPENAI_STUB_H

#include <errno.h>
#include <stdatomic.h>

#include "core/data/json.h"
#include "core/data/json_out.h"
#include "fake_runner.h"
#include "stub_server.h"

enum { OPENAI_STUB_REQUEST = 1 << 20 };

typedef struct openai_stub {
    int        fd;
    char       url[64];
    hl_runner *fake;
    pthread_t  thread;
    atomic_int n_asked, n_open; /* requests that the fake runner has taken; connections */
} openai_stub;

typedef struct openai_stub_call {
    openai_stub *s;
    int          fd;
} openai_stub_call;

/* Does the client still hold its connection? It says nothing more. */
static inline bool openai_stub_is_there(int fd) {
    char          byte;
    const ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static inline bool openai_stub_send_piece(int fd, const hl_token_event *ev) {
    hl_json_out j;
    hl_json_init(&j);
    hl_str_add_text(&j.text, "data: {\"choices\":[{\"index\":0,\"delta\":");
    hl_json_open(&j, NULL, '{');
    hl_json_add_view(&j, ev->is_thinking ? "reasoning_content" : "content", ev->text);
    hl_json_close(&j, '}');
    hl_str_add_text(&j.text, "}]}\n\n");
    const bool ok = stub_send(fd, hl_str_text(&j.text));
    hl_json_done(&j);
    return ok;
}

static inline void openai_stub_send_end(int fd, const hl_usage *u) {
    char text[400];
    (void)snprintf(text, sizeof text,
                   "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"%s\"}]}\n\n"
                   "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d}}\n\n"
                   "data: [DONE]\n\n",
                   u->end == HL_END_LENGTH ? "length" : "stop", (int)u->prompt_tokens, (int)u->answer_tokens);
    (void)stub_send(fd, text);
}

static inline void openai_stub_answer(openai_stub *s, int fd, hl_generation *g) {
    hl_generation_event ev = {.kind = HL_EVENT_TOKEN};
    bool                go_on =
        stub_send(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
    (void)s;
    while (go_on) {
        const hl_status status = hl_generation_next(g, 20, &ev);
        if (status != HL_OK)
            go_on = openai_stub_is_there(fd);
        else if (ev.kind == HL_EVENT_TOKEN)
            go_on = openai_stub_send_piece(fd, &ev.token);
        else
            break;
    }
    if (go_on) openai_stub_send_end(fd, &ev.usage);
    hl_generation_free(g);
}

static inline hl_generation *openai_stub_submit(openai_stub *s, const json_t *body) {
    const json_t *stops = json_object_get(body, "stop"),
                 *message = json_array_get(json_object_get(body, "messages"), 0);
    const char    *texts[FAKE_STOPS] = {NULL};
    hl_generation *g = NULL;
    hl_request     r;
    hl_request_init(&r);
    r.prompt = hl_view_of(hl_json_text(message, "content"));
    r.max_tokens = (int32_t)hl_json_int(body, "max_tokens", -1);
    for (; r.n_stops < FAKE_STOPS && r.n_stops < json_array_size(stops); r.n_stops++)
        texts[r.n_stops] = json_string_value(json_array_get(stops, r.n_stops));
    r.stops = texts;
    if (json_is_true(json_object_get(json_object_get(body, "chat_template_kwargs"), "enable_thinking")))
        r.template_text = "think";
    return hl_runner_submit(s->fake, &r, &g, NULL) == HL_OK ? g : NULL;
}

static inline void *openai_stub_one(void *user) {
    openai_stub_call c = *(openai_stub_call *)user;
    char            *text = malloc(OPENAI_STUB_REQUEST);
    json_t          *body = NULL;
    free(user);
    if (stub_read_request(c.fd, text, OPENAI_STUB_REQUEST) &&
        hl_json_parse_any(hl_view_of(strstr(text, "\r\n\r\n") + 4), "request", &body, NULL) == HL_OK) {
        hl_generation *g = openai_stub_submit(c.s, body);
        atomic_fetch_add(&c.s->n_asked, 1);
        if (g) openai_stub_answer(c.s, c.fd, g);
    }
    json_decref(body);
    free(text);
    (void)close(c.fd);
    atomic_fetch_sub(&c.s->n_open, 1);
    return NULL;
}

static inline void *openai_stub_accept(void *user) {
    openai_stub *s = user;
    for (;;) {
        const int fd = accept(s->fd, NULL, NULL);
        pthread_t thread;
        if (fd < 0) return NULL;
        openai_stub_call *c = malloc(sizeof *c);
        *c = (openai_stub_call){s, fd};
        atomic_fetch_add(&s->n_open, 1);
        if (pthread_create(&thread, NULL, openai_stub_one, c) != 0) abort();
        (void)pthread_detach(thread);
    }
}

static inline openai_stub *openai_stub_new(hl_runner *fake) {
    openai_stub *s = calloc(1, sizeof *s);
    s->fake = fake;
    s->fd = stub_listen(s->url);
    if (s->fd < 0 || pthread_create(&s->thread, NULL, openai_stub_accept, s) != 0) abort();
    return s;
}

/* When no client is left. */
static inline void openai_stub_free(openai_stub *s) {
    (void)shutdown(s->fd, SHUT_RDWR);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->fd);
    while (atomic_load(&s->n_open) > 0) (void)usleep(1000);
    hl_runner_free(s->fake);
    free(s);
}

#endif
