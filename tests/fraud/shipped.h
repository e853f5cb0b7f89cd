/* The shipped rules, for tests that judge by them. Tests run at the root of the tree. */
#ifndef TESTS_FRAUD_SHIPPED_H
#define TESTS_FRAUD_SHIPPED_H

#include <stdio.h>
#include <stdlib.h>

#include "bankd/fraud/fraud.h"

static inline struct fraud_rules *shipped_rules(void)
{
    static char         text[LIMIT_RULES_FILE_MAX];
    const char         *path = "data/rules/default.rules";
    FILE               *file = fopen(path, "rb");
    struct fraud_rules *rules = NULL;
    struct fault        fault = { 0 };
    size_t              n;

    if (file == NULL) {
        fprintf(stderr, "%s cannot be opened; tests are started at the root of the tree\n", path);
        exit(1);
    }
    n = fread(text, 1, sizeof text, file);
    fclose(file);
    if (fraud_rules_parse(slice_of(text, n), path, &rules, &fault) != ERR_none) {
        fprintf(stderr, "%s:%s\n", fault.field, fault.text);
        exit(1);
    }
    return rules;
}

#endif
