/* The columns of each kind of record, and how its words are shown; shared by all screens, so that
 * a held transaction looks the same wherever it stands. */
#ifndef BANKTERM_SCREENS_ROWS_H
#define BANKTERM_SCREENS_ROWS_H

#include "bankterm/widgets/table.h"

extern const struct column rows_transaction[];
extern const int           rows_transaction_count;
/* As one account sees it: signed amounts and its balance; the table's context is its uuid. */
extern const struct column rows_booking[];
extern const int           rows_booking_count;
/* The table's context is the app. */
extern const struct column rows_alert[];
extern const int           rows_alert_count;
extern const struct column rows_account[];
extern const int           rows_account_count;
extern const struct column rows_customer[];
extern const int           rows_customer_count;
extern const struct column rows_audit[];
extern const int           rows_audit_count;
extern const struct column rows_case[];
extern const int           rows_case_count;
extern const struct column rows_case_item[];
extern const int           rows_case_item_count;
extern const struct column rows_monitor[];
extern const int           rows_monitor_count;

extern const struct column rows_version[];
extern const int           rows_version_count;
/* The table's context is the code of the currency. */
extern const struct column rows_rule_score[];
extern const int           rows_rule_score_count;
extern const struct column rows_screening[];
extern const int           rows_screening_count;
extern const struct column rows_suppression[];
extern const int           rows_suppression_count;
extern const struct column rows_notification[];
extern const int           rows_notification_count;

enum style style_of_status(int32_t transaction_status);
enum style style_of_account(int32_t account_status);
enum style style_of_score(int64_t score);

/* "in 3 h", "! 20 min late": the sign tells what the colour does. */
void due_text(int64_t left_us, struct cell_text *out);

/* "label  value" of a detail; a value that is too long goes on in the next lines. Returns the next
 * y. */
int detail_line(struct canvas *canvas, struct rect rect, int y, const char *label, enum style style,
                struct slice value);
/* From which score on what happens; 0 where it is not known. */
struct thresholds {
    int64_t alert;
    int64_t hold;
    int64_t decline;
};

/* One bar a reason; they add up to the score. Thresholds stand through the bars; marks may be NULL.
 * Returns the lines used. */
int reasons_draw(struct canvas *canvas, struct rect rect, const struct msg_reason *reasons,
                 size_t count, int64_t score, const struct thresholds *marks);

#endif
