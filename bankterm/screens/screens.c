/* The list of all screens, for whoever asks what can be met where: the check of the user's keys,
 * and tests. A screen that is not in it has no keys of its own. */
#include "bankterm/screens/screens.h"

const struct screen_ops *const screens_all[] = {
    &screen_login,        &screen_lock,          &screen_help,       &screen_fraud,
    &screen_finance,      &screen_compliance,    &screen_history,    &screen_search,
    &screen_transaction,  &screen_accounts,      &screen_account,    &screen_alerts,
    &screen_alert,        &screen_customers,     &screen_audit,      &screen_entry,
    &screen_viewer,       &screen_pay,           &screen_act,        &screen_rules,
    &screen_version,      &screen_curves,        &screen_scoreboard, &screen_backtest,
    &screen_cases,        &screen_case,          &screen_controls,   &screen_screening,
    &screen_suppressions, &screen_notifications,
};
const int screens_all_count = sizeof screens_all / sizeof screens_all[0];
