/* All screens of the console; each is one file of this folder. */
#ifndef BANKTERM_SCREENS_SCREENS_H
#define BANKTERM_SCREENS_SCREENS_H

#include "bankterm/keys.h"
#include "bankterm/screen.h"
#include "bankterm/show.h"

extern const struct screen_ops screen_login;
extern const struct screen_ops screen_lock;
extern const struct screen_ops screen_quit;
extern const struct screen_ops screen_help;
extern const struct screen_ops screen_palette;
extern const struct screen_ops screen_columns;
extern const struct screen_ops screen_filter;
extern const struct screen_ops screen_fraud;
extern const struct screen_ops screen_finance;
extern const struct screen_ops screen_compliance;
extern const struct screen_ops screen_history;
extern const struct screen_ops screen_search;
extern const struct screen_ops screen_export;
extern const struct screen_ops screen_transaction;
extern const struct screen_ops screen_accounts;
extern const struct screen_ops screen_account;
extern const struct screen_ops screen_alerts;
extern const struct screen_ops screen_alert;
extern const struct screen_ops screen_rules;
extern const struct screen_ops screen_version;
extern const struct screen_ops screen_curves;
extern const struct screen_ops screen_scoreboard;
extern const struct screen_ops screen_backtest;
extern const struct screen_ops screen_controls;
extern const struct screen_ops screen_screening;
extern const struct screen_ops screen_suppressions;
extern const struct screen_ops screen_notifications;
extern const struct screen_ops screen_customers;
extern const struct screen_ops screen_cases;
extern const struct screen_ops screen_case;
extern const struct screen_ops screen_audit;
extern const struct screen_ops screen_entry;
extern const struct screen_ops screen_viewer;
extern const struct screen_ops screen_pay;
extern const struct screen_ops screen_act;
extern const struct screen_ops screen_outcomes;

extern const struct screen_ops *const screens_all[];
extern const int                      screens_all_count;

#endif
