/* Options from one table: defaults <- key=value file <- environment <- command line.
 *
 * A program gives an array of rows; conf parses, checks ranges, remembers where each value came
 * from, and prints help, the list of `config`, the example file and the manual's section from
 * the same rows. A value never replaces one from a stronger place, so the places may be read in
 * any order. File syntax: `key = value` or a whole line `# comment`, no sections, no quotes, UTF-8;
 * unknown and repeated keys are errors with file and line. Errors are ERR_option_invalid,
 * ERR_file_syntax or ERR_io, and the fault's text says where and what is allowed; `field` is the
 * key. A secret's value is in no message. */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum conf_type { CONF_TEXT, CONF_INT, CONF_BOOL, CONF_CHOICE, CONF_PATH };
enum conf_origin { CONF_DEFAULT, CONF_FILE, CONF_ENVIRONMENT, CONF_FLAG };

/* One option. `key` is "data_dir"; the flag is --data-dir, the variable PREFIX_DATA_DIR. */
struct conf_row {
    const char    *key;
    enum conf_type type;
    int64_t        min, max;  /* for CONF_INT; length limit in max for texts */
    const char    *fallback;  /* default, as text */
    const char    *unit;      /* "ms", "MiB", "" */
    const char    *choices;   /* "local|aws" for CONF_CHOICE, else NULL */
    const char    *also;      /* another environment variable's whole name, or NULL */
    bool           secret;    /* never printed */
    const char    *help;      /* one sentence */
};

enum { CONF_VALUE_MAX = 1024, CONF_ROWS_MAX = 96 };

struct conf {
    const struct conf_row *rows;
    size_t                 count;
    const char            *prefix; /* "BANKD" */
    char                   values[CONF_ROWS_MAX][CONF_VALUE_MAX];
    enum conf_origin       origins[CONF_ROWS_MAX];
    char                   file[CONF_VALUE_MAX]; /* the last one that was read whole, or "" */
};

/* Rows and prefix are borrowed; a default that its own row refuses is a programmer's error. */
void conf_init(struct conf *conf, const struct conf_row *rows, size_t count, const char *prefix);
ERR_MUST_USE enum err conf_load_file(struct conf *conf, const char *path, struct fault *fault);
ERR_MUST_USE enum err conf_load_environment(struct conf *conf, struct fault *fault);
/* Takes --key value and --key=value (and --flag for booleans) out of argv; what it does not know
 * stays, in order. "--" ends the options and stays too. A value that begins with "--" is only
 * taken in the form --key=value. argv[*argc] stays NULL. */
ERR_MUST_USE enum err conf_load_flags(struct conf *conf, int *argc, char **argv,
                                      struct fault *fault);
ERR_MUST_USE enum err conf_set(struct conf *conf, const char *key, const char *value,
                               enum conf_origin origin, struct fault *fault);

const char *conf_text(const struct conf *conf, const char *key); /* CHECKs that the key exists */
int64_t     conf_int(const struct conf *conf, const char *key);
bool        conf_bool(const struct conf *conf, const char *key);

void conf_print_help(const struct conf *conf, FILE *out);    /* the options part of --help */
void conf_print_values(const struct conf *conf, FILE *out);  /* key, value, origin, meaning */
void conf_print_example(const struct conf *conf, FILE *out); /* a commented file */

#endif
