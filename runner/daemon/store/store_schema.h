/* store_schema.h - the tables, and how those of an older version become those of this one. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include <sqlite3.h>

#define STORE_APPLICATION 0x52434c4d /* PRAGMA application_id: "RCLM" */
#define STORE_VERSION     2          /* PRAGMA user_version */

/* Step i makes version i + 1 of version i; 0 is an empty database. Steps are only ever added. */
extern const char *const store_steps[STORE_VERSION];

/* Goes from one version to another in one transaction: all, or nothing. An SQLite code. */
int store_migrate(sqlite3 *db, const char *const *steps, int from, int to);

#endif
