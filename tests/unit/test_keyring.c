/* SPDX-License-Identifier: MIT
 *
 * test_keyring.c - keys of a server: what is kept of them, and that other processes' changes are seen.
 */
#define _GNU_SOURCE
#include "store_fixture.h"

#include <sqlite3.h>

#include "core/data/sha256.h"

static hl_keyring *open_ring(const fixture *f) {
    hl_keyring *r = NULL;
    hl_err      err = {0};
    if (hl_keyring_open(f->db, &f->sink, &r, &err) != HL_OK) fail_msg("%s", err.text);
    return r;
}

static size_t count(hl_keyring *r) {
    hl_key *keys = NULL;
    size_t  n = 99;
    hl_err  err = {0};
    if (hl_keyring_list(r, &keys, &n, &err) != HL_OK) fail_msg("%s", err.text);
    hl_free(keys);
    return n;
}

static void of_a_key_its_sum_is_kept(void **state) {
    (void)state;
    fixture f;
    hl_err  err = {0};
    hl_key *keys = NULL;
    size_t  n = 0;
    char    a[HL_KEY_TEXT_BYTES], b[HL_KEY_TEXT_BYTES], sum[HL_SHA256_HEX_BYTES];
    fixture_init(&f);
    hl_keyring *r = open_ring(&f);
    assert_int_equal(count(r), 0);
    assert_int_equal(hl_keyring_add(r, "b", HL_KEY_USE, -100, b, &err), HL_OK);
    assert_int_equal(hl_keyring_add(r, "a@x.org", HL_KEY_ADMIN, 100, a, &err), HL_OK);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), HL_KEY_TEXT_BYTES - 1);
    assert_int_equal(hl_keyring_list(r, &keys, &n, &err), HL_OK);
    assert_int_equal(n, 2);
    assert_string_equal(keys[0].name, "a@x.org");
    assert_int_equal(keys[0].scope, HL_KEY_ADMIN);
    assert_int_equal(keys[0].priority, 100);
    assert_int_equal(keys[1].scope, HL_KEY_USE);
    assert_int_equal(keys[1].priority, -100);
    assert_int_equal(hl_sha256_of(a, strlen(a), sum, &err), HL_OK);
    assert_true(hl_sha256_is_same(keys[0].sha256, sum));
    assert_false(hl_sha256_is_same(keys[1].sha256, sum));
    hl_free(keys);
    assert_int_equal(hl_keyring_add(r, "b", HL_KEY_USE, 0, b, &err), HL_E_EXISTS);
    assert_int_equal(hl_keyring_add(r, "c", HL_KEY_USE, 101, b, &err), HL_E_ARG);
    assert_int_equal(hl_keyring_add(r, "a b", HL_KEY_USE, 0, b, &err), HL_E_ARG);
    assert_int_equal(hl_keyring_add(r, "", HL_KEY_USE, 0, b, &err), HL_E_ARG);
    assert_int_equal(hl_keyring_revoke(r, "c", &err), HL_E_NOT_FOUND);
    assert_int_equal(hl_keyring_revoke(r, "b", &err), HL_OK);
    assert_int_equal(count(r), 1);
    hl_keyring_close(r);
    fixture_done(&f);
}

static void a_mark_outlives_the_database_and_not_the_keys(void **state) {
    (void)state;
    fixture  f;
    hl_err   err = {0};
    sqlite3 *sql = NULL;
    char     key[HL_KEY_TEXT_BYTES];
    fixture_init(&f);
    hl_keyring *r = open_ring(&f);
    assert_int_equal(sqlite3_open(f.db, &sql), SQLITE_OK);
    static const char refuse[] =
        "CREATE TRIGGER no BEFORE INSERT ON api_key BEGIN SELECT RAISE(FAIL, 'no'); END";
    assert_int_equal(sqlite3_exec(sql, refuse, NULL, NULL, NULL), SQLITE_OK);
    assert_true(hl_keyring_add(r, "x", HL_KEY_USE, 0, key, &err) != HL_OK);
    assert_false(hl_keyring_had_keys(r)); /* none was made, so none is asked for */
    assert_int_equal(sqlite3_exec(sql, "DROP TRIGGER no", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(sql);
    assert_int_equal(hl_keyring_add(r, "x", HL_KEY_USE, 0, key, &err), HL_OK);
    assert_int_equal(hl_keyring_add(r, "y", HL_KEY_USE, 0, key, &err), HL_OK);
    assert_int_equal(hl_keyring_add(r, "x", HL_KEY_USE, 0, key, &err), HL_E_EXISTS);
    assert_int_equal(hl_keyring_revoke(r, "x", &err), HL_OK);
    assert_true(hl_keyring_had_keys(r));
    assert_int_equal(hl_keyring_revoke(r, "y", &err), HL_OK);
    assert_false(hl_keyring_had_keys(r));
    hl_keyring_close(r);
    fixture_done(&f);
}

static void changes_by_others_are_noticed_and_nothing_else(void **state) {
    (void)state;
    fixture f;
    hl_err  err = {0};
    char    key[HL_KEY_TEXT_BYTES], aside[200];
    fixture_init(&f);
    hl_keyring *mine = open_ring(&f), *other = open_ring(&f);
    assert_true(hl_keyring_has_changed(mine)); /* never looked */
    assert_false(hl_keyring_has_changed(mine));
    assert_int_equal(hl_keyring_add(other, "x", HL_KEY_MANAGE, 0, key, &err), HL_OK);
    assert_true(hl_keyring_has_changed(mine));
    assert_false(hl_keyring_has_changed(mine));
    assert_int_equal(count(mine), 1);
    assert_int_equal(hl_keyring_revoke(other, "x", &err), HL_OK);
    assert_true(hl_keyring_has_changed(mine));
    assert_int_equal(count(mine), 0);
    hl_keyring_close(other);
    /* another file in its place: damaged, moved aside and made again by somebody */
    (void)snprintf(aside, sizeof aside, "%s.aside", f.db);
    assert_int_equal(rename(f.db, aside), 0);
    assert_false(hl_keyring_has_changed(mine));
    other = open_ring(&f);
    assert_int_equal(hl_keyring_add(other, "y", HL_KEY_USE, 0, key, &err), HL_OK);
    assert_true(hl_keyring_has_changed(mine));
    assert_int_equal(count(mine), 1);
    hl_keyring_close(other);
    hl_keyring_close(mine);
    fixture_done(&f);
}

static void where_none_can_be_made_there_are_no_keys(void **state) {
    (void)state;
    hl_keyring *r = NULL;
    hl_err      err = {0};
    char        key[HL_KEY_TEXT_BYTES];
    assert_int_equal(hl_keyring_open("/dev/null/home/hyperlama.db", NULL, &r, &err), HL_OK);
    assert_int_equal(count(r), 0);
    assert_false(hl_keyring_has_changed(r));
    assert_int_equal(hl_keyring_add(r, "x", HL_KEY_USE, 0, key, &err), HL_E_IO);
    assert_int_equal(hl_keyring_revoke(r, "x", &err), HL_E_IO);
    hl_keyring_close(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_key_its_sum_is_kept),
        cmocka_unit_test(a_mark_outlives_the_database_and_not_the_keys),
        cmocka_unit_test(changes_by_others_are_noticed_and_nothing_else),
        cmocka_unit_test(where_none_can_be_made_there_are_no_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
