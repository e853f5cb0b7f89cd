/* The short commands: serve, init, config; and how every command ends. */
#include "bankd/command.h"

#include "bankd/demo.h"
#include "bankd/home.h"
#include "bankd/options.h"
#include "bankd/server.h"
#include "common/log.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

int command_end(const char *command, enum err err, const struct fault *fault)
{
    return command_end_with(command, err, fault, NULL);
}

int command_end_with(const char *command, enum err err, const struct fault *fault,
                     const char *promise)
{
    bool has_text = fault != NULL && fault->err == err && fault->text[0] != '\0';

    if (err == ERR_none)
        return 0;
    fprintf(stderr, "bankd%s%s: %s: %s%s%s. %s. %s.\n", command[0] != '\0' ? " " : "", command,
            err_name(err), err_what(err), has_text ? ": " : "", has_text ? fault->text : "",
            promise != NULL ? promise : err_class_promise(err_class(err)), err_next(err));
    return (int)err_class(err);
}

static int refuse_arguments(const char *command, int argc, char **argv)
{
    struct fault fault = { 0 };

    if (argc == 0)
        return 0;
    fault_set(&fault, ERR_usage, NULL, "%.100s is not known here", argv[0]);
    return command_end(command, ERR_usage, &fault);
}

int command_serve(struct conf *conf, int argc, char **argv)
{
    static struct home home;
    struct room        needs;
    struct fault       fault = { 0 };
    sigset_t           signals;
    int                rc = refuse_arguments("serve", argc, argv);
    enum err           err;

    if (rc != 0)
        return rc;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    server_needs(conf, &needs);
    err = room_check(&needs, &fault);
    if (err == ERR_none)
        err = home_demo_check(conf, &fault);
    if (err == ERR_none)
        err = home_open(conf, STORE_WRITE, true, &home, &fault);
    if (err == ERR_none) {
        err = server_run(&home, clock_system(), &fault);
        home_close(&home);
    }
    log_flush();
    return command_end("serve", err, &fault);
}

static enum err fill_demo(struct conf *conf, struct fault *fault)
{
    static struct home        home;
    static struct demo_report report;
    struct clock             *clock = clock_system();
    struct writer            *writer = NULL;
    enum err                  err;

    TRY(home_open(conf, STORE_WRITE, true, &home, fault));
    err = home_writer(&home, clock, &writer, fault);
    if (err == ERR_none)
        err = demo_fill(&home, writer, DEMO_SEED, clock->now_us(clock), &report, fault);
    writer_close(&writer);
    home_close(&home);
    if (err == ERR_none)
        demo_print(&report, stdout);
    return err;
}

/* What ends an init in its middle; other errors are found before anything is made. */
static bool is_of_the_middle(enum err err)
{
    return err == ERR_io || err == ERR_storage || err == ERR_storage_full || err == ERR_memory;
}

int command_init(struct conf *conf, int argc, char **argv)
{
    struct fault fault = { 0 };
    bool         demo = argc == 1 && strcmp(argv[0], "--demo") == 0;
    int          rc = demo ? 0 : refuse_arguments("init", argc, argv);
    enum err     err = ERR_none;
    const char  *unfinished = "There is no whole bank yet; what was made so far is kept, and the "
                              "same command goes on from there";

    if (rc != 0)
        return rc;
    if (demo)
        err = home_demo_begin(conf, &fault);
    if (err == ERR_none)
        err = home_create(conf, &fault);
    if (demo && err_class(err) == ERR_CLASS_INPUT) /* nothing was begun */
        home_demo_end(conf);
    if (err == ERR_none)
        printf("Made a bank in %s.\nIts public key for clients is keys/server.pub there.\n",
               conf_text(conf, "data_dir"));
    if (err == ERR_none && demo)
        err = fill_demo(conf, &fault);
    if (err == ERR_none && demo)
        home_demo_end(conf);
    else if (err == ERR_none)
        printf("Add its staff with: bankd user add EMAIL --name NAME --role ROLE\n");
    return command_end_with("init", err, &fault,
                            is_of_the_middle(err) ? unfinished : NULL);
}

/* `bankd config` prints every option, --example a file to start from, --get KEY one value. */
int command_config(struct conf *conf, int argc, char **argv)
{
    struct fault fault = { 0 };

    if (argc == 1 && strcmp(argv[0], "--example") == 0) {
        conf_print_example(conf, stdout);
        return 0;
    }
    if (argc == 2 && strcmp(argv[0], "--get") == 0) {
        for (size_t i = 0; i < bankd_option_count; i++)
            if (strcmp(bankd_options[i].key, argv[1]) == 0 && !bankd_options[i].secret) {
                printf("%s\n", conf_text(conf, argv[1]));
                return 0;
            }
        fault_set(&fault, ERR_option_invalid, NULL, "There is no option %.60s", argv[1]);
        return command_end("config", ERR_option_invalid, &fault);
    }
    if (argc != 0)
        return refuse_arguments("config", argc, argv);
    conf_print_values(conf, stdout);
    return 0;
}
