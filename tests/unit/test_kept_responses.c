/* SPDX-License-Identifier: MIT
 *
 * test_kept_responses.c - answers that are kept come back byte for byte, and the oldest make room.
 */
#include "tests/need.h"

#include <sqlite3.h>
#include <string.h>

#include "models/db/db.h"

static char folder[64], path[96];

static int open_db(void **state) {
    hl_err err = {0};
    (void)snprintf(folder, sizeof folder, "/tmp/hl-kept.XXXXXX");
    if (!mkdtemp(folder)) return -1;
    (void)snprintf(path, sizeof path, "%s/hyperlama.db", folder);
    return hl_db_open(path, NULL, (hl_db **)state, &err) == HL_OK ? 0 : -1;
}

static int close_db(void **state) {
    char command[128];
    hl_db_close(*state);
    if (sqlite3_memory_used() != 0) return -1;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

enum { MANY = 1000, LARGE = 1 << 20 };

static void keep(hl_db *db, const char *id, const char *previous, hl_view text, int64_t rows, int64_t bytes) {
    hl_err                 err = {0};
    const hl_kept_response r = {
        .id = id, .previous_id = previous, .created_ms = 7, .input_json = {"[]", 2}, .response_json = text};
    if (hl_db_put_response(db, &r, rows, bytes, &err) != HL_OK) fail_msg("%s: %s", id, err.text);
}

static bool is_there(hl_db *db, const char *id) {
    hl_kept_response *r = NULL;
    const hl_status   status = hl_db_find_response(db, id, "", &r, NULL);
    assert_true(status == HL_OK || status == HL_E_NOT_FOUND);
    hl_kept_response_free(r);
    return status == HL_OK;
}

static void one_comes_back_as_it_was_kept(void **state) {
    hl_db            *db = *state;
    hl_err            err = {0};
    hl_kept_response *r = NULL;
    keep(db, "a", NULL, (hl_view){"{\"x\":1}", 7}, MANY, LARGE);
    keep(db, "b", "a", (hl_view){"{}", 2}, MANY, LARGE);
    assert_int_equal(hl_db_find_response(db, "a", "", &r, &err), HL_OK);
    assert_string_equal(r->id, "a");
    assert_null(r->previous_id);
    assert_int_equal(r->created_ms, 7);
    assert_int_equal(r->input_json.len, 2);
    assert_string_equal(r->input_json.ptr, "[]");
    assert_string_equal(r->response_json.ptr, "{\"x\":1}");
    assert_int_equal(r->response_json.len, 7);
    hl_kept_response_free(r);
    assert_int_equal(hl_db_find_response(db, "b", "", &r, &err), HL_OK);
    assert_string_equal(r->previous_id, "a");
    hl_kept_response_free(r);
}

static void an_id_is_kept_once(void **state) {
    hl_err                 err = {0};
    const hl_kept_response r = {.id = "a", .input_json = {"[]", 2}, .response_json = {"{}", 2}};
    keep(*state, "a", NULL, (hl_view){"{}", 2}, MANY, LARGE);
    assert_int_equal(hl_db_put_response(*state, &r, MANY, LARGE, &err), HL_E_IO);
    assert_true(is_there(*state, "a")); /* and the database goes on */
    keep(*state, "b", NULL, (hl_view){"{}", 2}, MANY, LARGE);
}

static void a_deleted_one_is_gone(void **state) {
    hl_err err = {0};
    keep(*state, "a", NULL, (hl_view){"{}", 2}, MANY, LARGE);
    assert_int_equal(hl_db_drop_response(*state, "a", "", &err), HL_OK);
    assert_false(is_there(*state, "a"));
    assert_int_equal(hl_db_drop_response(*state, "a", "", &err), HL_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "'a'"));
}

static void the_oldest_make_room_by_number(void **state) {
    char id[16];
    for (int i = 0; i < 6; i++) {
        (void)snprintf(id, sizeof id, "%d", i);
        keep(*state, id, NULL, (hl_view){"{}", 2}, 3, LARGE);
    }
    for (int i = 0; i < 6; i++) {
        (void)snprintf(id, sizeof id, "%d", i);
        assert_int_equal(is_there(*state, id), i >= 3);
    }
}

static void the_oldest_make_room_by_size_and_the_newest_stays(void **state) {
    static char text[1000];
    memset(text, ' ', sizeof text);
    keep(*state, "a", NULL, (hl_view){text, 300}, MANY, 1000);
    keep(*state, "b", NULL, (hl_view){text, 300}, MANY, 1000);
    keep(*state, "c", NULL, (hl_view){text, 300}, MANY, 1000);
    assert_true(is_there(*state, "a")); /* 3 x 302 */
    keep(*state, "d", NULL, (hl_view){text, 390}, MANY, 1000);
    assert_false(is_there(*state, "a"));
    assert_true(is_there(*state, "b")); /* 302 + 302 + 392 */
    keep(*state, "e", NULL, (hl_view){text, 1000}, MANY, 1000);
    assert_false(is_there(*state, "d"));
    assert_true(is_there(*state, "e"));
}

static void without_a_database_it_is_an_error(void **state) {
    hl_err                 err = {0};
    hl_kept_response      *found = NULL;
    const hl_kept_response r = {.id = "a", .input_json = {"[]", 2}, .response_json = {"{}", 2}};
    (void)state;
    assert_int_equal(hl_db_put_response(NULL, &r, 1, 1, &err), HL_E_IO);
    assert_int_equal(hl_db_find_response(NULL, "a", "", &found, &err), HL_E_IO);
    assert_int_equal(hl_db_drop_response(NULL, "a", "", &err), HL_E_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_comes_back_as_it_was_kept, open_db, close_db),
        cmocka_unit_test_setup_teardown(an_id_is_kept_once, open_db, close_db),
        cmocka_unit_test_setup_teardown(a_deleted_one_is_gone, open_db, close_db),
        cmocka_unit_test_setup_teardown(the_oldest_make_room_by_number, open_db, close_db),
        cmocka_unit_test_setup_teardown(the_oldest_make_room_by_size_and_the_newest_stays, open_db, close_db),
        cmocka_unit_test(without_a_database_it_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
