/* Replies in every format, compared with what a reader of the file would expect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bankterm/render.h"
#include "common/check.h"

static struct msg_reason reasons[2];

static struct msg_transaction transaction(int64_t amount, const char *currency,
                                          const char *description)
{
    struct msg_transaction out = { 0 };

    out.has = ~UINT64_C(0) >> (64 - INDEX_END_transaction);
    out.has &= ~(UINT64_C(1) << INDEX_transaction__external_id);
    out.has &= ~(UINT64_C(1) << INDEX_transaction__reversal_of);
    out.type = TYPE_DEPOSIT;
    out.status = STATUS_HELD;
    out.verdict = VERDICT_HOLD;
    out.amount = amount;
    out.currency = slice_from(currency);
    out.description = slice_from(description);
    out.timestamp = INT64_C(1763828324000000);
    out.score = 70;
    for (size_t i = 0; i < ARRAY_COUNT(reasons); i++) {
        reasons[i].has = 7;
        reasons[i].rule = slice_from(i == 0 ? "large" : "new");
        reasons[i].points = i == 0 ? 50 : 20;
        reasons[i].text = slice_from(i == 0 ? "Over 5,000.00" : "\"New\" party");
    }
    out.reasons.at = reasons;
    out.reasons.count = ARRAY_COUNT(reasons);
    return out;
}

/* Renders pages; the caller frees the text. */
static char *rendered(enum render_format format, const struct message_desc *desc,
                      const char *columns, bool more, const void *const *pages, size_t count)
{
    struct render render;
    struct fault  fault = { 0 };
    char         *text = NULL;
    size_t        n = 0;
    FILE         *out = open_memstream(&text, &n);

    assert_non_null(out);
    assert_int_equal(render_begin(&render, out, format, desc, columns, more, &fault), ERR_none);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(render_page(&render, pages[i], &fault), ERR_none);
    assert_int_equal(render_end(&render, &fault), ERR_none);
    render_close(&render);
    fclose(out);
    return text;
}

static void check_pages(enum render_format format, const char *columns, bool more,
                        const char *expected)
{
    static const char cursor[] = "\x01\xff";
    static const char wide[] = "\xe6\x97\xa5\xe6\x9c\xac";
    struct msg_transaction      first[] = { transaction(123456, "USD", "=1+1"),
                                            transaction(-5, "KWD", "a\033[31m\\b") };
    struct msg_transaction      last[] = { transaction(1000, "JPY", wide) };
    struct msg_transaction_page pages[3] = { 0 };
    const void                 *list[] = { &pages[0], &pages[1], &pages[2] };
    char                       *text;

    pages[0].has = pages[1].has = pages[2].has = 1;
    pages[1].items.at = first;
    pages[1].items.count = ARRAY_COUNT(first);
    MSG_SET(&pages[1], transaction_page, next, slice_of(cursor, 2));
    pages[2].items.at = last;
    pages[2].items.count = ARRAY_COUNT(last);
    text = rendered(format, &message_transaction_page, columns, more, more ? list : list + 1,
                    more ? 3 : 1);
    assert_string_equal(text, expected);
    free(text);
}

static const char columns[] = "type,amount,currency,description,reasons,external_id";

static void test_csv(void **state)
{
    (void)state;
    check_pages(RENDER_CSV, columns, true,
                "type,amount,currency,description,reasons,external_id\r\n"
                "deposit,1234.56,USD,'=1+1,"
                "\"large 50 Over 5,000.00; new 20 \"\"New\"\" party\",\r\n"
                "deposit,-0.005,KWD,a\033[31m\\b,"
                "\"large 50 Over 5,000.00; new 20 \"\"New\"\" party\",\r\n"
                "deposit,1000,JPY,\xe6\x97\xa5\xe6\x9c\xac,"
                "\"large 50 Over 5,000.00; new 20 \"\"New\"\" party\",\r\n");
}

static void test_tsv(void **state)
{
    (void)state;
    check_pages(RENDER_TSV, "amount,description,external_id", true,
                "amount\tdescription\texternal_id\n"
                "1234.56\t=1+1\t\n"
                "-0.005\ta\\x1b[31m\\\\b\t\n"
                "1000\t\xe6\x97\xa5\xe6\x9c\xac\t\n");
}

static void test_table(void **state)
{
    (void)state;
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        skip();
    /* The width of the second page does not change the first, but for wider cells. */
    check_pages(RENDER_TABLE, "description,amount,type", true,
                "description    amount  type\n"
                "=1+1          1234.56  deposit\n"
                "a\\x1b[31m\\\\b   -0.005  deposit\n"
                "\xe6\x97\xa5\xe6\x9c\xac             1000  deposit\n");
}

/* A name that reads backwards on a terminal could pass for another. */
static void test_what_reorders_is_escaped_for_terminals(void **state)
{
    struct msg_transaction      one = transaction(1, "USD", "a\xe2\x80\xae" "b");
    struct msg_transaction_page page = { .items = { .at = &one, .count = 1 } };
    const void                 *pages[] = { &page };
    char                       *text;

    (void)state;
    text = rendered(RENDER_TSV, &message_transaction_page, "description", false, pages, 1);
    assert_string_equal(text, "description\na\\u202eb\n");
    free(text);
    text = rendered(RENDER_CSV, &message_transaction_page, "description", false, pages, 1);
    assert_string_equal(text, "description\r\na\xe2\x80\xae" "b\r\n");
    free(text);
}

static void test_json_of_one_page(void **state)
{
    struct msg_transaction      one = transaction(1, "USD", "q\"\\\n\001");
    struct msg_transaction_page page = { .has = 1 };
    const void                 *pages[] = { &page };
    char                       *text;

    (void)state;
    one.has = UINT64_C(1) << INDEX_transaction__amount | UINT64_C(1) << INDEX_transaction__currency
              | UINT64_C(1) << INDEX_transaction__description
              | UINT64_C(1) << INDEX_transaction__reasons
              | UINT64_C(1) << INDEX_transaction__fraud_flag;
    page.items.at = &one;
    page.items.count = 1;
    MSG_SET(&page, transaction_page, next, slice_of("\xab\x01", 2));
    text = rendered(RENDER_JSON, &message_transaction_page, "", false, pages, 1);
    assert_string_equal(text,
                        "{\"items\":[{\"amount\":\"0.01\",\"currency\":\"USD\","
                        "\"description\":\"q\\\"\\\\\\n\\u0001\",\"reasons\":["
                        "{\"rule\":\"large\",\"points\":50,\"text\":\"Over 5,000.00\"},"
                        "{\"rule\":\"new\",\"points\":20,\"text\":\"\\\"New\\\" party\"}],"
                        "\"fraud_flag\":false}],\"next\":\"ab01\"}\n");
    free(text);
}

static void test_json_of_all_pages(void **state)
{
    struct msg_customer      customers[3] = { 0 };
    struct msg_customer_page pages[3] = { 0 };
    const void              *list[] = { &pages[0], &pages[1], &pages[2] };
    char                    *text;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(customers); i++)
        MSG_SET(&customers[i], customer, country, slice_from("CZ"));
    pages[0].items.at = customers;
    pages[0].items.count = 2;
    pages[2].items.at = customers + 2;
    pages[2].items.count = 1;
    text = rendered(RENDER_JSON, &message_customer_page, "", true, list, 3);
    assert_string_equal(text,
                        "{\"items\":[{\"country\":\"CZ\"},{\"country\":\"CZ\"},"
                        "{\"country\":\"CZ\"}]}\n");
    free(text);
    text = rendered(RENDER_JSON, &message_customer_page, "", true, list, 0);
    assert_string_equal(text, "{\"items\":[]}\n");
    free(text);
    text = rendered(RENDER_JSON, &message_empty, "", false, list, 1);
    assert_string_equal(text, "{}\n");
    free(text);
}

static void test_a_record(void **state)
{
    struct msg_rules rules = { .rule_set = 2, .rules = 1 };
    const void      *pages[] = { &rules };
    char            *text;

    (void)state;
    MSG_SET(&rules, rules, rule_set, 2);
    MSG_SET(&rules, rules, text, slice_from("rule a\n\n  when x\033\n"));
    text = rendered(RENDER_TABLE, &message_rules, "", false, pages, 1);
    assert_string_equal(text, "rule_set           2\n"
                              "text               rule a\n"
                              "                   \n"
                              "                     when x\\x1b\n");
    free(text);
    text = rendered(RENDER_TSV, &message_rules, "rule_set,approved_at", false, pages, 1);
    assert_string_equal(text, "rule_set\tapproved_at\n2\t\n");
    free(text);
}

/* The currency of the message around it counts for the rows of a trend. */
static void test_rows_take_the_currency_around(void **state)
{
    struct msg_trend_point point = { 0 };
    struct msg_trend       trend = { 0 };
    const void            *pages[] = { &trend };
    char                  *text;

    (void)state;
    MSG_SET(&point, trend_point, volume, 1234567);
    MSG_SET(&trend, trend, currency, slice_from("KWD"));
    trend.has |= UINT64_C(1) << INDEX_trend__points;
    trend.points.at = &point;
    trend.points.count = 1;
    text = rendered(RENDER_CSV, &message_trend, "volume", false, pages, 1);
    assert_string_equal(text, "volume\r\n1234.567\r\n");
    free(text);
    text = rendered(RENDER_JSON, &message_trend, "", false, pages, 1);
    assert_string_equal(text, "{\"currency\":\"KWD\",\"points\":[{\"volume\":\"1234.567\"}]}\n");
    free(text);
}

/* What a message says beside its rows stands above them, for people and not for programs. */
static void test_a_table_says_what_is_beside_its_rows(void **state)
{
    struct msg_whatif_item item = { 0 };
    struct msg_whatif      whatif = { 0 };
    const void            *pages[] = { &whatif };
    char                  *text;

    (void)state;
    MSG_SET(&item, whatif_item, text, slice_from("below 10.00"));
    MSG_SET(&item, whatif_item, amount, 1000);
    MSG_SET(&whatif, whatif, currency, slice_from("USD"));
    MSG_SET(&whatif, whatif, exact, true);
    MSG_SET(&whatif, whatif, baseline, slice_from("three times the median"));
    MSG_SET(&whatif, whatif, median, 123456);
    whatif.has |= UINT64_C(1) << INDEX_whatif__items;
    whatif.items.at = &item;
    whatif.items.count = 1;
    text = rendered(RENDER_TABLE, &message_whatif, "", false, pages, 1);
    assert_non_null(strstr(text, "currency        USD\n"));
    assert_non_null(strstr(text, "exact           true\n"));
    assert_non_null(strstr(text, "baseline        three times the median\n"));
    assert_non_null(strstr(text, "median          1234.56\n"));
    assert_non_null(strstr(text, "\n\ntext         "));
    assert_non_null(strstr(text, "\nbelow 10.00  "));
    free(text);
    text = rendered(RENDER_TABLE, &message_whatif, "text", false, pages, 1);
    assert_string_equal(text, "text\nbelow 10.00\n");
    free(text);
    text = rendered(RENDER_TSV, &message_whatif, "", false, pages, 1);
    assert_null(strstr(text, "median"));
    free(text);
}

/* The lists of a record are tables of their own, with headings. */
static void test_lists_of_a_record_have_headings(void **state)
{
    struct msg_graph_node node = { 0 };
    struct msg_graph_edge edges[2] = { { 0 }, { 0 } };
    struct msg_graph      graph = { 0 };
    const void           *pages[] = { &graph };
    char                 *text;

    (void)state;
    MSG_SET(&node, graph_node, name, slice_from("Ann"));
    MSG_SET(&graph, graph, currency, slice_from("KWD"));
    for (int i = 0; i < 2; i++)
        MSG_SET(&edges[i], graph_edge, amount, 1000 * (i + 1));
    graph.has |= UINT64_C(1) << INDEX_graph__nodes | UINT64_C(1) << INDEX_graph__edges;
    graph.nodes.at = &node;
    graph.nodes.count = 1;
    graph.edges.at = edges;
    graph.edges.count = 2;
    text = rendered(RENDER_TABLE, &message_graph, "", false, pages, 1);
    assert_non_null(strstr(text, "currency    KWD\n"));
    assert_non_null(strstr(text, "\n\nnodes\n"));
    assert_non_null(strstr(text, "name"));
    assert_non_null(strstr(text, "\n\nedges\n"));
    assert_non_null(strstr(text, "amount"));
    assert_non_null(strstr(text, "1.000\n"));
    assert_null(strstr(text, "chains"));
    free(text);
    text = rendered(RENDER_TSV, &message_graph, "currency", false, pages, 1);
    assert_string_equal(text, "currency\nKWD\n");
    free(text);
}

static void test_secrets_are_left_out(void **state)
{
    struct msg_session session = { 0 };
    const void        *pages[] = { &session };

    (void)state;
    MSG_SET(&session, session, token, slice_of("0123456789abcdef0123456789abcdef", 32));
    MSG_SET(&session, session, event_topic, slice_from("secret-topic"));
    MSG_SET(&session, session, name, slice_from("Ann"));
    for (int format = RENDER_TABLE; format <= (int)RENDER_JSON; format++) {
        char *text = rendered((enum render_format)format, &message_session, "", false, pages, 1);

        assert_null(strstr(text, "token"));
        assert_null(strstr(text, "topic"));
        assert_null(strstr(text, "30313233"));
        assert_non_null(strstr(text, "Ann"));
        free(text);
    }
}

static void test_refusals(void **state)
{
    struct render render;
    struct fault  fault = { 0 };

    (void)state;
    assert_int_equal(render_begin(&render, stdout, RENDER_CSV, &message_session, "name,token",
                                  false, &fault), ERR_field_unknown);
    assert_non_null(strstr(fault.text, "token"));
    render_close(&render);
    assert_int_equal(render_begin(&render, stdout, RENDER_JSON, &message_session, "name", false,
                                  &fault), ERR_usage);
    render_close(&render);
}

static void test_an_output_that_is_full(void **state)
{
    struct msg_session session = { 0 };
    struct render      render;
    struct fault       fault = { 0 };
    FILE              *out = fopen("/dev/full", "w");
    enum err           err;

    (void)state;
    if (out == NULL)
        skip();
    assert_int_equal(render_begin(&render, out, RENDER_JSON, &message_session, "", false, &fault),
                     ERR_none);
    err = render_page(&render, &session, &fault);
    if (err == ERR_none)
        err = render_end(&render, &fault);
    assert_int_equal(err, ERR_io);
    render_close(&render);
    fclose(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_tsv),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_what_reorders_is_escaped_for_terminals),
        cmocka_unit_test(test_json_of_one_page),
        cmocka_unit_test(test_json_of_all_pages),
        cmocka_unit_test(test_a_record),
        cmocka_unit_test(test_rows_take_the_currency_around),
        cmocka_unit_test(test_a_table_says_what_is_beside_its_rows),
        cmocka_unit_test(test_lists_of_a_record_have_headings),
        cmocka_unit_test(test_secrets_are_left_out),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_an_output_that_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
