/* The rule parser's two halves, statements (rules.c) and expressions (expression.c), and what
 * they share; private to this folder.
 *
 * One token is looked at ahead. Every function leaves `now` at the first token that it does not
 * understand; every error is told once, with the place of a token. */
#ifndef BANKD_FRAUD_PARSER_H
#define BANKD_FRAUD_PARSER_H

#include "bankd/fraud/lexer.h"
#include "bankd/fraud/rules.h"

/* What a value is, as far as it matters for what it may be compared with. */
enum kind {
    KIND_PLAIN, /* a constant without a unit, or computed: goes with all */
    KIND_YES,
    KIND_COUNT,
    KIND_MONEY,
    KIND_SHARE,
    KIND_SECONDS,
    KIND_WEEKDAY,
    KIND_TYPE
};

struct parser {
    struct lexer        lexer;
    struct token        now;
    struct token        behind;        /* the place behind the token before `now` */
    struct token        thresholds[3]; /* where alert, hold and decline were given */
    struct fraud_rules *rules;
    struct rule        *rule;      /* the one being read, or NULL */
    struct token        rule_name; /* its name's token */
    unsigned            seen;      /* statements of the rule, by bit */
    unsigned            fires;     /* examples of the rule that passed */
    unsigned            silent;
    bool                stored; /* was good once: not all that is refused today is */
    const char         *file;
    struct fault       *fault;
};

/* Records "line:column: ..." of a token and returns ERR_file_syntax. */
ERR_MUST_USE enum err parser_fail(struct parser *p, const struct token *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Tells that `now` is not what was expected; names what it is. */
ERR_MUST_USE enum err parser_expected(struct parser *p, const char *what);

/* The same, but told at the end of the line before when `now` stands on a later one. */
ERR_MUST_USE enum err parser_expected_here(struct parser *p, const char *what);

/* Refuses what no file may have; for stored ones only what is no UTF-8. */
ERR_MUST_USE enum err parser_check_text(struct parser *p, struct slice text);
void                  parser_advance(struct parser *p);
bool                  parser_is(const struct parser *p, enum token_kind kind, const char *text);

/* -1 when there is no such feature. */
int feature_find(struct slice name);
/* The slot of a feature, made when it is new. */
uint16_t  parser_slot(struct parser *p, int feature);
enum kind feature_kind(int feature);
/* yes, no, types of transactions, days of the week. */
bool constant_find(struct slice name, int64_t *value, enum kind *kind);
/* A constant with an optional minus sign; money only where it is said. */
ERR_MUST_USE enum err parser_constant(struct parser *p, bool money, int64_t *value,
                                      enum kind *kind);
/* Constants with commas between them, behind the token that stands before the first; they follow
 * one another among the rule set's values and are of one kind. */
ERR_MUST_USE enum err parser_values(struct parser *p, uint16_t *first, uint16_t *count,
                                    enum kind *kind);
/* Refuses a value beside one of another kind. */
ERR_MUST_USE enum err parser_check_kinds(struct parser *p, const struct token *at, enum kind left,
                                         enum kind right);
/* ", did you mean X?" or "" when nothing is near. */
/* The word that joins conditions and is meant by one in other letters: AND; else NULL. */
const char *parser_joining(const struct token *token);

enum { HINT_MAX = LIMIT_RULE_NAME_MAX + 24 };
const char *parser_hint(const struct parser *p, struct slice name, char out[HINT_MAX]);
/* The same among these words alone. */
const char *parser_hint_of(const char *const *words, size_t count, struct slice name,
                           char out[HINT_MAX]);
/* "", a list that is near, or all that there are. */
enum { LISTS_MAX = 4 * HINT_MAX };
const char *parser_hint_lists(const struct parser *p, struct slice name, char out[LISTS_MAX]);
/* Runs an expression that asks no feature; false when it asks one. */
bool expression_constant(const struct fraud_rules *rules, struct rule_code code, int64_t *value);

/* Compiles the expression at `now`. */
ERR_MUST_USE enum err expression_parse(struct parser *p, bool condition, struct rule_code *out);

#endif
