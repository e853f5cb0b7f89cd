/* Options: what each kind of value takes, the strength of the places, files with errors, flags
 * among other arguments, and that a secret is never shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/conf.h"

static const struct conf_row rows[] = {
    { .key = "data_dir", .type = CONF_PATH, .fallback = "/var/lib/bankd",
      .help = "Where the bank's files live." },
    { .key = "database", .type = CONF_PATH, .fallback = "", .also = "TEST_CONF_DATABASE_PATH",
      .help = "The file of the database." },
    { .key = "workers", .type = CONF_INT, .min = 1, .max = 64, .fallback = "4", .unit = "threads",
      .help = "How many threads answer questions, each with a snapshot of the books of its own." },
    { .key = "skew", .type = CONF_INT, .min = INT64_MIN, .max = INT64_MAX, .fallback = "-5",
      .unit = "", .help = "A number of any size." },
    { .key = "verbose", .type = CONF_BOOL, .fallback = "no", .help = "Say more." },
    { .key = "mode", .type = CONF_CHOICE, .choices = "local|aws", .fallback = "local",
      .help = "Which store." },
    { .key = "title", .type = CONF_TEXT, .max = 8, .fallback = "Bank", .help = "A name." },
    { .key = "pass", .type = CONF_TEXT, .fallback = "", .secret = true, .help = "A secret." },
};

/* One for all tests: it is too large for a stack. */
static struct conf conf;

static int setup(void **state)
{
    (void)state;
    conf_init(&conf, rows, ARRAY_COUNT(rows), "TESTCONF");
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char name[64];
        int  n = snprintf(name, sizeof name, "TESTCONF_%s", rows[i].key);

        for (int j = 0; j < n; j++)
            name[j] = (char)(name[j] >= 'a' && name[j] <= 'z' ? name[j] - 32 : name[j]);
        unsetenv(name);
    }
    unsetenv("TEST_CONF_DATABASE_PATH");
    return 0;
}

static enum conf_origin origin_of(const char *key)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        if (strcmp(rows[i].key, key) == 0)
            return conf.origins[i];
    fail_msg("no row %s", key);
    return CONF_DEFAULT;
}

static void test_defaults(void **state)
{
    (void)state;
    assert_string_equal(conf_text(&conf, "data_dir"), "/var/lib/bankd");
    assert_int_equal(conf_int(&conf, "workers"), 4);
    assert_int_equal(conf_int(&conf, "skew"), -5);
    assert_false(conf_bool(&conf, "verbose"));
    assert_string_equal(conf_text(&conf, "mode"), "local");
    assert_string_equal(conf_text(&conf, "pass"), "");
    assert_int_equal(origin_of("workers"), CONF_DEFAULT);
}

struct value_case {
    const char *key;
    const char *value;
    bool        good;
};

static void test_values_are_checked(void **state)
{
    static const struct value_case cases[] = {
        { "workers", "1", true },
        { "workers", "64", true },
        { "workers", "007", true },
        { "workers", "0", false },
        { "workers", "65", false },
        { "workers", "-1", false },
        { "workers", "", false },
        { "workers", "-", false },
        { "workers", "+4", false },
        { "workers", "4 ", false },
        { "workers", "4.0", false },
        { "workers", "0x4", false },
        { "workers", "99999999999999999999999", false },
        { "skew", "9223372036854775807", true },
        { "skew", "-9223372036854775808", true },
        { "skew", "9223372036854775808", false },
        { "skew", "-9223372036854775809", false },
        { "verbose", "yes", true },
        { "verbose", "off", true },
        { "verbose", "true", true },
        { "verbose", "1", true },
        { "verbose", "maybe", false },
        { "verbose", "", false },
        { "verbose", "YES", false },
        { "mode", "aws", true },
        { "mode", "local|aws", false },
        { "mode", "loca", false },
        { "mode", "", false },
        { "title", "12345678", true },
        { "title", "123456789", false },
        { "title", "P\xc5\x99\xc3\xadl", true },
        { "title", "a\tb", false },
        { "title", "a\nb", false },
        { "title", "\x1b[2J", false },
        { "title", "\xff", false },
        { "data_dir", "", true },
        { "no_such_key", "x", false },
        { "", "x", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct value_case *c = &cases[i];
        struct fault             fault = { 0 };
        enum err err = conf_set(&conf, c->key, c->value, CONF_FLAG, &fault);

        if (err != (c->good ? ERR_none : ERR_option_invalid))
            fail_msg("%s = \"%s\" gives %s", c->key, c->value, err_name(err));
        assert_true(c->good || strcmp(fault.field, c->key) == 0);
        assert_true(c->good || fault.text[0] != '\0');
        if (c->good)
            assert_string_equal(conf_text(&conf, c->key), c->value);
    }
    assert_true(conf_int(&conf, "skew") == INT64_MIN);
    assert_true(conf_bool(&conf, "verbose"));
}

static void test_long_values_are_refused_whole(void **state)
{
    char         text[CONF_VALUE_MAX + 1];
    struct fault fault = { 0 };

    (void)state;
    memset(text, 'x', sizeof text);
    text[CONF_VALUE_MAX] = '\0';
    assert_int_equal(conf_set(&conf, "data_dir", text, CONF_FLAG, &fault), ERR_option_invalid);
    assert_string_equal(conf_text(&conf, "data_dir"), "/var/lib/bankd");
    text[CONF_VALUE_MAX - 1] = '\0';
    assert_int_equal(conf_set(&conf, "data_dir", text, CONF_FLAG, &fault), ERR_none);
    assert_string_equal(conf_text(&conf, "data_dir"), text);
}

static void test_stronger_places_win_in_any_order(void **state)
{
    static const enum conf_origin places[] = { CONF_FILE, CONF_ENVIRONMENT, CONF_FLAG };
    static const char *const      values[] = { "11", "22", "33" };

    for (size_t first = 0; first < 3; first++) {
        for (size_t second = 0; second < 3; second++) {
            size_t strong = first > second ? first : second;

            setup(state);
            assert_int_equal(conf_set(&conf, "workers", values[first], places[first], NULL),
                             ERR_none);
            assert_int_equal(conf_set(&conf, "workers", values[second], places[second], NULL),
                             ERR_none);
            assert_string_equal(conf_text(&conf, "workers"), values[strong]);
            assert_int_equal(origin_of("workers"), places[strong]);
        }
    }
}

/* Writes a file and loads it. */
static enum err load(const char *bytes, size_t n, char path[64], struct fault *fault)
{
    int      fd;
    enum err err;

    snprintf(path, 64, "/tmp/test_conf.XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
    *fault = (struct fault){ 0 };
    err = conf_load_file(&conf, path, fault);
    unlink(path);
    return err;
}

static void test_file_is_read(void **state)
{
    static const char text[] = "\xef\xbb\xbf# a comment\r\n"
                               "\n"
                               "  workers\t=  7  \r\n"
                               "data_dir=/srv/a b#c=d\n"
                               "   # workers = 9\n"
                               "pass =\n"
                               "mode = aws";
    char         path[64];
    struct fault fault;

    (void)state;
    assert_int_equal(load(text, sizeof text - 1, path, &fault), ERR_none);
    assert_int_equal(conf_int(&conf, "workers"), 7);
    assert_string_equal(conf_text(&conf, "data_dir"), "/srv/a b#c=d");
    assert_string_equal(conf_text(&conf, "mode"), "aws");
    assert_string_equal(conf_text(&conf, "pass"), "");
    assert_int_equal(origin_of("pass"), CONF_FILE);
    assert_int_equal(origin_of("verbose"), CONF_DEFAULT);
    assert_string_equal(conf.file, path);
}

struct file_case {
    const char *text;
    size_t      n;
    enum err    err;
    int         line;
    const char *says;
};

#define FILE_CASE(text, err, line, says) { text, sizeof(text) - 1, err, line, says }

static void test_bad_files_name_their_line(void **state)
{
    static const struct file_case cases[] = {
        FILE_CASE("workers = 7\nworkrs = 8\n", ERR_option_invalid, 2, "no option workrs"),
        FILE_CASE("[server]\n", ERR_file_syntax, 1, "key = value"),
        FILE_CASE("\n\nworkers\n", ERR_file_syntax, 3, "key = value"),
        FILE_CASE("= 7\n", ERR_option_invalid, 1, "no option"),
        FILE_CASE("workers = 700\n", ERR_option_invalid, 1, "from 1 to 64"),
        FILE_CASE("workers = 7 # seven\n", ERR_option_invalid, 1, "from 1 to 64"),
        FILE_CASE("workers = 7\nworkers = 7\n", ERR_file_syntax, 2, "second time"),
        FILE_CASE("title = a\0b\n", ERR_file_syntax, 1, "NUL"),
        FILE_CASE("title = \xff\n", ERR_option_invalid, 1, "UTF-8"),
    };

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct file_case *c = &cases[i];
        char                    path[64];
        char                    place[80];
        struct fault            fault;

        setup(state);
        if (load(c->text, c->n, path, &fault) != c->err)
            fail_msg("case %zu gives %s: %s", i, err_name(fault.err), fault.text);
        snprintf(place, sizeof place, "%s:%d: ", path, c->line);
        assert_ptr_equal(strstr(fault.text, place), fault.text);
        if (strstr(fault.text, c->says) == NULL)
            fail_msg("case %zu says: %s", i, fault.text);
        assert_string_equal(conf.file, "");
    }
}

static void test_line_longer_than_any_value_is_refused(void **state)
{
    static char  text[5000];
    char         path[64];
    struct fault fault;

    (void)state;
    memset(text, '#', sizeof text);
    assert_int_equal(load(text, sizeof text, path, &fault), ERR_file_syntax);
    assert_int_equal(conf_load_file(&conf, "/nonexistent/bankd.conf", &fault), ERR_io);
    assert_non_null(strstr(fault.text, "/nonexistent/bankd.conf"));
    assert_non_null(strstr(fault.text, "No such file"));
    assert_int_equal(conf_load_file(&conf, "/", &fault), ERR_io);
}

static void test_environment(void **state)
{
    struct fault fault = { 0 };

    (void)state;
    setenv("TESTCONF_WORKERS", "9", 1);
    setenv("TEST_CONF_DATABASE_PATH", "/db/one", 1);
    assert_int_equal(conf_load_environment(&conf, &fault), ERR_none);
    assert_int_equal(conf_int(&conf, "workers"), 9);
    assert_int_equal(origin_of("workers"), CONF_ENVIRONMENT);
    assert_string_equal(conf_text(&conf, "database"), "/db/one");
    setenv("TESTCONF_DATABASE", "/db/two", 1);
    assert_int_equal(conf_load_environment(&conf, &fault), ERR_none);
    assert_string_equal(conf_text(&conf, "database"), "/db/two");
    setenv("TESTCONF_WORKERS", "many", 1);
    assert_int_equal(conf_load_environment(&conf, &fault), ERR_option_invalid);
    assert_string_equal(fault.field, "workers");
    assert_non_null(strstr(fault.text, "TESTCONF_WORKERS"));
    assert_non_null(strstr(fault.text, "from 1 to 64"));
    setup(state);
}

static void test_flags_are_taken_out_and_the_rest_stays(void **state)
{
    char *argv[] = { (char[]){ "bankd" },       (char[]){ "--workers" },  (char[]){ "5" },
                     (char[]){ "import" },      (char[]){ "--verbose" },  (char[]){ "file.csv" },
                     (char[]){ "--data-dir=" }, (char[]){ "--dry-run" },  (char[]){ "--skew" },
                     (char[]){ "-7" },          (char[]){ "--workersx" }, (char[]){ "--workers=6" },
                     (char[]){ "--" },          (char[]){ "--workers" },  (char[]){ "8" },
                     NULL };
    static const char *const left[] = { "bankd",      "import", "file.csv",  "--dry-run",
                                        "--workersx", "--",     "--workers", "8" };
    int argc = (int)ARRAY_COUNT(argv) - 1;

    (void)state;
    assert_int_equal(conf_load_flags(&conf, &argc, argv, NULL), ERR_none);
    assert_int_equal(argc, ARRAY_COUNT(left));
    for (size_t i = 0; i < ARRAY_COUNT(left); i++)
        assert_string_equal(argv[i], left[i]);
    assert_null(argv[argc]);
    assert_int_equal(conf_int(&conf, "workers"), 6);
    assert_int_equal(conf_int(&conf, "skew"), -7);
    assert_true(conf_bool(&conf, "verbose"));
    assert_string_equal(conf_text(&conf, "data_dir"), "");
    assert_int_equal(origin_of("data_dir"), CONF_FLAG);
}

static void assert_flags_refused(char *first, char *second, const char *says)
{
    char        *argv[] = { (char[]){ "bankd" }, first, second, NULL };
    int          argc = second != NULL ? 3 : 2;
    struct fault fault = { 0 };

    assert_int_equal(conf_load_flags(&conf, &argc, argv, &fault), ERR_option_invalid);
    if (strstr(fault.text, says) == NULL)
        fail_msg("it says: %s", fault.text);
}

static void test_bad_flags(void **state)
{
    int   argc = 0;
    char *argv[] = { NULL };

    (void)state;
    assert_flags_refused((char[]){ "--workers" }, NULL, "--workers needs a value");
    assert_flags_refused((char[]){ "--workers" }, (char[]){ "--verbose" }, "needs a value");
    assert_flags_refused((char[]){ "--workers" }, (char[]){ "x" }, "from 1 to 64");
    assert_flags_refused((char[]){ "--verbose=perhaps" }, NULL, "yes or no");
    assert_flags_refused((char[]){ "--mode=moon" }, NULL, "local|aws");
    assert_int_equal(conf_load_flags(&conf, &argc, argv, NULL), ERR_none);
    assert_int_equal(argc, 0);
}

static char *printed(void (*print)(const struct conf *, FILE *))
{
    char  *text = NULL;
    size_t n = 0;
    FILE  *out = open_memstream(&text, &n);

    assert_non_null(out);
    print(&conf, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_secrets_are_never_shown(void **state)
{
    void (*const prints[])(const struct conf *, FILE *) = { conf_print_help, conf_print_values,
                                                            conf_print_example };
    struct fault fault = { 0 };
    char        *text;

    (void)state;
    text = printed(conf_print_values);
    assert_non_null(strstr(text, "(not set)"));
    free(text);
    assert_int_equal(conf_set(&conf, "pass", "hunter2", CONF_FILE, NULL), ERR_none);
    for (size_t i = 0; i < ARRAY_COUNT(prints); i++) {
        text = printed(prints[i]);
        assert_null(strstr(text, "hunter2"));
        free(text);
    }
    text = printed(conf_print_values);
    assert_non_null(strstr(text, "(set)"));
    free(text);
    assert_int_equal(conf_set(&conf, "pass", "hunter2\x1b", CONF_FILE, &fault),
                     ERR_option_invalid);
    assert_null(strstr(fault.text, "hunter2"));
}

static void test_values_are_listed(void **state)
{
    char *text;

    (void)state;
    assert_int_equal(conf_set(&conf, "workers", "7", CONF_ENVIRONMENT, NULL), ERR_none);
    text = printed(conf_print_values);
    assert_ptr_equal(strstr(text, "key       value           origin       meaning\n"), text);
    assert_non_null(
        strstr(text, "\ndata_dir  /var/lib/bankd  default      Where the bank's files live.\n"));
    assert_non_null(strstr(text, "\nworkers   7 threads       environment  How many threads"));
    assert_non_null(strstr(text, "\ndatabase  -               default      The file"));
    free(text);
}

static void test_help_and_example_tell_every_option(void **state)
{
    char        *help = printed(conf_print_help);
    char        *example = printed(conf_print_example);
    char         path[64];
    struct fault fault;

    (void)state;
    assert_non_null(strstr(help, "  --data-dir PATH\n      Where the bank's files live.\n"));
    assert_non_null(strstr(help, "From 1 to 64 threads. Default: 4.\n"));
    assert_non_null(strstr(help, "--mode local|aws\n"));
    assert_non_null(strstr(help, "TESTCONF_DATABASE or TEST_CONF_DATABASE_PATH\n"));
    assert_non_null(strstr(example, "\n#workers = 4\n"));
    for (char *line = help; *line != '\0'; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 86);
    /* As it is, the example sets nothing; with its marks taken off it sets every default. */
    assert_int_equal(load(example, strlen(example), path, &fault), ERR_none);
    for (char *at = example; (at = strstr(at, "\n#")) != NULL; at++)
        if (at[2] != ' ')
            at[1] = ' ';
    assert_int_equal(load(example, strlen(example), path, &fault), ERR_none);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_int_equal(conf.origins[i], CONF_FILE);
        assert_string_equal(conf.values[i], rows[i].fallback);
    }
    free(help);
    free(example);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, setup),
        cmocka_unit_test_setup(test_values_are_checked, setup),
        cmocka_unit_test_setup(test_long_values_are_refused_whole, setup),
        cmocka_unit_test_setup(test_stronger_places_win_in_any_order, setup),
        cmocka_unit_test_setup(test_file_is_read, setup),
        cmocka_unit_test_setup(test_bad_files_name_their_line, setup),
        cmocka_unit_test_setup(test_line_longer_than_any_value_is_refused, setup),
        cmocka_unit_test_setup(test_environment, setup),
        cmocka_unit_test_setup(test_flags_are_taken_out_and_the_rest_stays, setup),
        cmocka_unit_test_setup(test_bad_flags, setup),
        cmocka_unit_test_setup(test_secrets_are_never_shown, setup),
        cmocka_unit_test_setup(test_values_are_listed, setup),
        cmocka_unit_test_setup(test_help_and_example_tell_every_option, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
