/* SPDX-License-Identifier: MIT
 *
 * test_upstreams.c - which server of a remote model is asked, and what its record may say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "host/remote/upstreams.h"

/* The clock stands still unless a test moves it. */
static int64_t now_s = 1000;
int            clock_gettime(clockid_t id, struct timespec *t) {
               (void)id;
               *t = (struct timespec){.tv_sec = now_s};
               return 0;
}

static char *const env[] = {(char[]){"GOOD_KEY=sk-123"}, (char[]){"ODD_KEY=a\nb"}, NULL};

#define UPSTREAM(n) "{\"url\":\"http://h" #n "/v1\",\"model\":\"m\"}"
#define THREE       "{\"upstreams\":[" UPSTREAM(0) "," UPSTREAM(1) "," UPSTREAM(2) "]}"

static hl_upstreams *make(const char *json) {
    hl_upstreams *u = NULL;
    hl_err        err = {0};
    if (hl_upstreams_new(json, env, NULL, &u, &err) != HL_OK) fail_msg("%s", err.text);
    return u;
}

static size_t pick(hl_upstreams *u, const char *prompt, uint32_t tried) {
    size_t i = 99;
    assert_int_equal(hl_upstreams_pick(u, hl_view_of(prompt), tried, &i, NULL), HL_OK);
    return i;
}

/* 2 KiB that begin with `word`. */
static const char *prompt_of(char *buf, const char *word) {
    memset(buf, 'x', 2048);
    memcpy(buf, word, strlen(word));
    buf[2048] = '\0';
    return buf;
}

static void requests_go_to_whoever_has_least_to_do(void **state) {
    (void)state;
    hl_upstreams *u = make(THREE);
    size_t        seen[3] = {0};
    for (int i = 0; i < 9; i++) seen[pick(u, "short", 0)]++;
    assert_true(seen[0] == 3 && seen[1] == 3 && seen[2] == 3);
    hl_upstreams_done(u, 1, false, -1);
    assert_int_equal(pick(u, "short", 0), 1);
    hl_upstreams_free(u);
}

static void a_prompt_goes_to_whoever_has_read_its_beginning(void **state) {
    (void)state;
    hl_upstreams *u = make(THREE);
    char          a[2049], b[2049], longer[4097];
    const size_t  first = pick(u, prompt_of(a, "conversation a"), 0);
    const size_t  second = pick(u, prompt_of(b, "conversation b"), 0);
    assert_int_not_equal(first, second);
    (void)snprintf(longer, sizeof longer, "%sand a turn more", a);
    assert_int_equal(pick(u, longer, 0), first);
    assert_int_equal(pick(u, b, 0), second);
    assert_int_not_equal(pick(u, longer, 1u << first), first); /* tried already */
    hl_upstreams_free(u);
}

static void a_cache_is_not_worth_any_queue(void **state) {
    (void)state;
    hl_upstreams *u = make(THREE);
    char          a[2049];
    const size_t  first = pick(u, prompt_of(a, "everybody's system text"), 0);
    for (int i = 0; i < 4; i++) assert_int_equal(pick(u, a, 0), first); /* 5 now, the others none */
    assert_int_not_equal(pick(u, a, 0), first);
    hl_upstreams_free(u);
}

static void one_that_fails_is_left_alone_longer_each_time(void **state) {
    (void)state;
    hl_upstreams *u = make("{\"upstreams\":[" UPSTREAM(0) "," UPSTREAM(1) "]}");
    const int     rests_s[] = {1, 2, 4, 8, 16, 32, 60, 60};
    for (size_t i = 0; i < sizeof rests_s / sizeof *rests_s; i++) {
        hl_upstreams_done(u, pick(u, "x", 2), true, -1);
        now_s += rests_s[i] - 1;
        assert_int_equal(pick(u, "x", 0), 1);
        hl_upstreams_done(u, 1, false, -1);
        now_s += 1;
    }
    assert_int_equal(pick(u, "x", 0), 0);
    hl_upstreams_done(u, 0, false, -1); /* an answer makes good for all */
    hl_upstreams_done(u, pick(u, "x", 2), true, -1);
    now_s += 1;
    assert_int_equal(pick(u, "x", 0), 0);
    hl_upstreams_free(u);
}

static void one_that_asks_for_time_gets_it(void **state) {
    (void)state;
    hl_upstreams *u = make("{\"upstreams\":[" UPSTREAM(0) "," UPSTREAM(1) "]}");
    hl_upstreams_done(u, pick(u, "x", 0), true, 30000); /* 0 */
    now_s += 29;
    assert_int_equal(pick(u, "x", 0), 1);
    hl_upstreams_done(u, 1, false, -1);
    now_s += 1;
    assert_int_equal(pick(u, "x", 0), 0);
    hl_upstreams_free(u);
}

static void where_all_are_left_alone_the_first_to_come_back_is_asked(void **state) {
    (void)state;
    hl_upstreams *u = make(THREE);
    for (size_t i = 0; i < 3; i++) {
        u->each[i].n_running++;
        hl_upstreams_done(u, i, true, i == 1 ? -1 : 50000);
    }
    assert_int_equal(pick(u, "x", 0), 1);
    size_t i = 99;
    hl_err err = {0};
    assert_int_equal(hl_upstreams_pick(u, hl_view_of("x"), 7, &i, &err), HL_E_NET);
    assert_string_equal(err.text, "no other server is left to ask");
    hl_upstreams_free(u);
}

static void a_record_says_all_of_it(void **state) {
    (void)state;
    hl_upstreams *u =
        make("{\"upstreams\":[{\"url\":\"https://h:1/v1//\",\"model\":\"big\",\"key_env\":\"GOOD_KEY\","
             "\"ca_file\":\"/ca.pem\",\"headers\":{\"X-Team\":\"a b\"}}],\"context_length\":9,"
             "\"connect_ms\":1,\"first_token_ms\":2,\"idle_ms\":3,\"attempts\":4}");
    assert_string_equal(u->each[0].url, "https://h:1/v1");
    assert_string_equal(u->each[0].model, "big");
    assert_string_equal(u->each[0].key, "sk-123");
    assert_string_equal(u->each[0].ca_file, "/ca.pem");
    assert_string_equal(u->each[0].headers[0], "X-Team: a b");
    assert_true(u->n == 1 && u->n_ctx == 9 && u->connect_ms == 1 && u->first_token_ms == 2 &&
                u->idle_ms == 3 && u->n_attempts == 4);
    hl_upstreams_free(u);
}

static void wrong_records_say_what_is_wrong(void **state) {
    (void)state;
#define ONE(more) "{\"upstreams\":[{\"url\":\"http://h/v1\",\"model\":\"m\"" more "}]}"
    static const struct {
        const char *json, *words;
        hl_status   status;
    } cases[] = {
        {"[]", "its record is no object", HL_E_FORMAT},
        {"{}", "upstreams is no list of 1 to 16 servers", HL_E_FORMAT},
        {"{\"upstreams\":[]}", "upstreams is no list of 1 to 16 servers", HL_E_FORMAT},
        {"{\"upstreams\":[1]}", "an upstream is not an object", HL_E_FORMAT},
        {"{\"upstreams\":[{\"model\":\"m\"}]}", "an upstream has no url", HL_E_FORMAT},
        {"{\"upstreams\":[{\"url\":\"http://h\"}]}", "an upstream names no model", HL_E_FORMAT},
        {"{\"upstreams\":[{\"url\":\"gopher://h\",\"model\":\"m\"}]}", "expected http://... or https://...",
         HL_E_ARG},
        {"{\"upstreams\":[{\"url\":\"http://u:p@h\",\"model\":\"m\"}]}", "holds no user and password",
         HL_E_ARG},
        {ONE(",\"key\":\"sk-1\""), "would be kept in clear", HL_E_FORMAT},
        {ONE(",\"key_env\":\"NO_KEY\""), "the variable NO_KEY, which holds its key, is not set", HL_E_IO},
        {ONE(",\"key_env\":\"ODD_KEY\""), "its key holds white space or control characters", HL_E_FORMAT},
        {ONE(",\"headers\":{\"A\\r\\nB\":\"x\"}"), "is no header", HL_E_FORMAT},
        {ONE(",\"headers\":{\"A\":\"x\\r\\nB: y\"}"), "headers.A is no header", HL_E_FORMAT},
        {ONE(",\"headers\":{\"authorization\":\"x\"}"), "keys go into key_env or key_file", HL_E_FORMAT},
        {ONE(",\"headers\":{\"Content-Length\":\"5\"}"), "is not taken", HL_E_FORMAT},
        {ONE(",\"key_fil\":\"x\""), "'key_fil' is no field of its record", HL_E_FORMAT},
        {ONE(",\"headers\":{\"A:\":\"x\"}"), "is no header", HL_E_FORMAT},
        {"{\"upstreams\":[" UPSTREAM(0) "],\"attempts\":0}", "attempts is no whole number from 1 to 10",
         HL_E_FORMAT},
        {"{\"upstreams\":[" UPSTREAM(0) "],\"idle_ms\":\"5\"}", "idle_ms is no whole number", HL_E_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hl_upstreams   *u = NULL;
        hl_err          err = {0};
        const hl_status status = hl_upstreams_new(cases[i].json, env, NULL, &u, &err);
        if (status != cases[i].status || !strstr(err.text, cases[i].words))
            fail_msg("%s: %d %s", cases[i].json, (int)status, err.text);
        assert_null(strstr(err.text, "sk-1"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_go_to_whoever_has_least_to_do),
        cmocka_unit_test(a_prompt_goes_to_whoever_has_read_its_beginning),
        cmocka_unit_test(a_cache_is_not_worth_any_queue),
        cmocka_unit_test(one_that_fails_is_left_alone_longer_each_time),
        cmocka_unit_test(one_that_asks_for_time_gets_it),
        cmocka_unit_test(where_all_are_left_alone_the_first_to_come_back_is_asked),
        cmocka_unit_test(a_record_says_all_of_it),
        cmocka_unit_test(wrong_records_say_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
