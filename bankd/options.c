/* See options.h. */
#include "bankd/options.h"

#include "common/check.h"

#include <stdio.h>
#include <string.h>

const struct conf_row bankd_options[] = {
#define OPTION(key_, type_, min_, max_, fallback_, unit_, choices_, also_, secret_, help_)         \
    { .key = #key_,                                                                                \
      .type = type_,                                                                               \
      .min = min_,                                                                                 \
      .max = max_,                                                                                 \
      .fallback = fallback_,                                                                       \
      .unit = unit_,                                                                               \
      .choices = choices_,                                                                         \
      .also = also_,                                                                               \
      .secret = secret_,                                                                           \
      .help = help_ },
#include "bankd/options.def"
#undef OPTION
};
const size_t bankd_option_count = ARRAY_COUNT(bankd_options);

static enum err fill(struct conf *conf, const char *key, const char *prefix, const char *name,
                     struct fault *fault)
{
    char value[CONF_VALUE_MAX];

    if (conf_text(conf, key)[0] != '\0')
        return ERR_none;
    snprintf(value, sizeof value, "%s%.900s/%s", prefix, conf_text(conf, "data_dir"), name);
    return conf_set(conf, key, value, CONF_DEFAULT, fault);
}

enum err options_load(struct conf *conf, int *argc, char **argv, struct fault *fault)
{
    conf_init(conf, bankd_options, bankd_option_count, "BANKD");
    TRY(conf_load_flags(conf, argc, argv, fault));
    TRY(conf_load_environment(conf, fault));
    if (conf_text(conf, "config")[0] != '\0')
        TRY(conf_load_file(conf, conf_text(conf, "config"), fault));
    TRY(fill(conf, "database_path", "", "bank.db", fault));
    TRY(fill(conf, "rules_file", "", "rules.txt", fault));
    TRY(fill(conf, "listen_ipc", "ipc://", "bankd.sock", fault));
    return fill(conf, "events_ipc", "ipc://", "bankd-events.sock", fault);
}

bool options_endpoint_on(const struct conf *conf, const char *key)
{
    const char *value = conf_text(conf, key);

    return value[0] != '\0' && strcmp(value, "off") != 0;
}
