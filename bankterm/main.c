/* bankterm: the bank's console, and `bankterm run` for one operation without a screen.
 *
 * Start: locale, options (defaults <- configuration file <- environment <- flags), then one of
 * the two. The configuration file is the user's: this program reads it and never writes it. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bankterm/batch.h"
#include "bankterm/console.h"
#include "bankterm/keymap.h"
#include "bankterm/net.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/err.h"

static const struct conf_row rows[] = {
#define OPTION(key, type, min, max, fallback, unit, choices, also, secret, help)                   \
    { #key, type, min, max, fallback, unit, choices, also, secret, help },
#include "bankterm/options.def"
#undef OPTION
};

enum { LOGOUT_MS = 1000 };

static struct conf conf; /* large, and needed from start to end */

/* Where a file of the user's is when no option names one; false when there is none. */
static bool config_path(const char *name, char *out, size_t size)
{
    const char *folder = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int         n = -1;

    if (folder != NULL && folder[0] == '/')
        n = snprintf(out, size, "%s/bankterm/%s", folder, name);
    else if (home != NULL && home[0] == '/')
        n = snprintf(out, size, "%s/.config/bankterm/%s", home, name);
    return n > 0 && (size_t)n < size && access(out, F_OK) == 0;
}

static enum err load_options(int *argc, char **argv, struct fault *fault)
{
    char path[CONF_VALUE_MAX];

    conf_init(&conf, rows, ARRAY_COUNT(rows), "BANKTERM");
    TRY(conf_load_flags(&conf, argc, argv, fault));
    TRY(conf_load_environment(&conf, fault));
    if (conf_text(&conf, "config")[0] != '\0')
        return conf_load_file(&conf, conf_text(&conf, "config"), fault);
    return config_path("bankterm.conf", path, sizeof path) ? conf_load_file(&conf, path, fault)
                                                           : ERR_none;
}

static int print_help(void)
{
    printf("usage: bankterm [OPTION ...]                               the console\n"
           "       bankterm run OPERATION [FIELD=VALUE ...] [OPTION ...]  one operation\n"
           "       bankterm run --list                                 every operation\n"
           "       bankterm run OPERATION --help                       its fields\n"
           "       bankterm --list-keys                                the keys of the console\n"
           "       bankterm --help | --version\n\n"
           "run writes the answer to standard output and everything else to standard error. It\n"
           "exits with 0 when it was done, 2 for wrong input, 3 when it is not allowed, 4 when\n"
           "the books do not allow it, 5 when the server is away, 6 when nobody can tell whether\n"
           "it was done, and 1 for anything else.\n\nOptions:\n");
    conf_print_help(&conf, stdout);
    return 0;
}

static enum err load_keys(struct fault *fault)
{
    char path[CONF_VALUE_MAX];

    if (conf_text(&conf, "keys")[0] != '\0')
        return keymap_load(conf_text(&conf, "keys"), fault);
    return config_path("keys.conf", path, sizeof path) ? keymap_load(path, fault) : ERR_none;
}

/* The console on the terminal; its session ends with it. */
static int run_console(void)
{
    struct fault          fault = { 0 };
    struct net           *net = NULL;
    struct net_config     net_config = { .server = conf_text(&conf, "server"),
                                         .server_key_file = conf_text(&conf, "server_key"),
                                         .clock = clock_system() };
    struct console_config config = { .clock = clock_system(),
                                     .server = conf_text(&conf, "server"),
                                     .user = conf_text(&conf, "user"),
                                     .color = conf_text(&conf, "color"),
                                     .theme = conf_text(&conf, "theme"),
                                     .ascii = conf_bool(&conf, "ascii"),
                                     .bell = conf_bool(&conf, "bell"),
                                     .mouse = conf_bool(&conf, "mouse"),
                                     .idle_lock_minutes = conf_int(&conf, "idle_lock_minutes"),
                                     .escape_delay_ms = conf_int(&conf, "escape_delay_ms") };
    enum err              err = load_keys(&fault);

    if (err == ERR_none)
        err = net_open(&net_config, &net, &fault);
    if (err == ERR_none) {
        config.net = net;
        err = console_run(&config, &fault);
        net_log_out(net, LOGOUT_MS);
        net_close(&net);
    }
    if (err == ERR_none)
        return 0;
    if (fault.err != err)
        fault_set(&fault, err, NULL, NULL);
    return batch_refuse(&fault);
}

int main(int argc, char **argv)
{
    struct fault fault = { 0 };

    setlocale(LC_ALL, "");
    if (load_options(&argc, argv, &fault) != ERR_none)
        return batch_refuse(&fault);
    if (argc > 1 && strcmp(argv[1], "run") == 0
        && !(argc == 3 && strcmp(argv[2], "--help") == 0))
        return batch_run(&conf, clock_system(), argc - 2, argv + 2);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("bankterm %s\n", BANK_VERSION);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--list-keys") == 0) {
        if (load_keys(&fault) != ERR_none)
            return batch_refuse(&fault);
        keymap_print(stdout);
        return 0;
    }
    if (argc > 1 && strcmp(argv[argc - 1], "--help") == 0)
        return print_help();
    if (argc == 1)
        return run_console();
    fault_set(&fault, ERR_usage, NULL, "\"%s\" is not understood", argv[1]);
    return batch_refuse(&fault);
}
