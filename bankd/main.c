/* bankd: the daemon that owns the ledger, and the commands that an operator runs beside it.
 *
 * Reads options from everywhere, then hands over to one command (commands.def). Everything else
 * is said in the headers of the parts. */
#include "bankd/command.h"
#include "bankd/options.h"
#include "common/check.h"
#include "common/log.h"

#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    const char *arguments;
    const char *help;
    int (*run)(struct conf *conf, int argc, char **argv);
};

static const struct command commands[] = {
#define COMMAND(name_, arguments_, help_)                                                          \
    { .name = #name_, .arguments = arguments_, .help = help_, .run = command_##name_ },
#include "bankd/commands.def"
#undef COMMAND
};

static void print_help(const struct conf *conf)
{
    printf("bankd %s: the bank's ledger, fraud engine and server\n\n"
           "usage: bankd [COMMAND] [option ...]\n\n",
           BANK_VERSION);
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
        printf("  %-7s %s\n          %s\n", commands[i].name, commands[i].arguments,
               commands[i].help);
    printf(
        "\nOptions (flags, BANKD_* in the environment, or key = value lines of --config FILE):\n");
    conf_print_help(conf, stdout);
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int main(int argc, char **argv)
{
    static struct conf    conf;
    struct fault          fault = { 0 };
    const struct command *command = find("serve");
    enum err              err;
    int                   skip = 1;

    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error, not an end */
    if (sodium_init() < 0)
        return command_end("", ERR_internal, NULL);
    err = options_load(&conf, &argc, argv, &fault);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 ||
            strcmp(argv[i], "help") == 0) {
            print_help(&conf);
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("bankd %s\n", BANK_VERSION);
            return 0;
        }
    }
    if (err != ERR_none)
        return command_end("", err, &fault);
    log_set_level((enum log_level)log_level_from_name(conf_text(&conf, "log_level")));
    if (argc > 1 && argv[1][0] != '-') {
        command = find(argv[1]);
        skip = 2;
    }
    if (command == NULL) {
        fault_set(&fault, ERR_usage, NULL, "There is no command %.60s; see bankd --help", argv[1]);
        return command_end("", ERR_usage, &fault);
    }
    return command->run(&conf, argc - skip, argv + skip);
}
