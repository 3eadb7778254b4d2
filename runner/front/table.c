#include "table.h"

#include "escape.h"
#include "say.h"
#include "suggest.h"
#include "values.h"

#include <getopt.h>
#include <reclaim/pool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MOST 64
#define FIRST_ID     256
#define VERSION_ID   (FIRST_ID + OPTIONS_MOST)
#define HELP_COLUMN  27

/* "reclaim run" */
static const char *full_name(const struct table *table)
{
    static char name[64];
    if (table->verb == NULL)
        return say_program;
    snprintf(name, sizeof name, "%s %s", say_program, table->verb);
    return name;
}

/* The rows of all groups, in order. */
static size_t collect(const struct table *table, const struct table_option **rows)
{
    size_t count = 0;
    for (const struct table_option *const *group = table->groups; *group != NULL; group++)
        for (const struct table_option *row = *group; row->name != NULL && count < OPTIONS_MOST; row++)
            rows[count++] = row;
    return count;
}

static void print_row(const struct table_option *row)
{
    char left[64];
    const char *space = row->argument != NULL ? " " : "", *argument = row->argument != NULL ? row->argument : "";
    if (row->letter != 0)
        snprintf(left, sizeof left, "  -%c, --%s%s%s", row->letter, row->name, space, argument);
    else
        snprintf(left, sizeof left, "      --%s%s%s", row->name, space, argument);
    printf("%-*s%s%s\n", HELP_COLUMN, left, strlen(left) < HELP_COLUMN ? "" : "  ", row->help);
}

static void print_help(const struct table *table)
{
    printf("Usage: %s %s\n%s\n", full_name(table), table->usage, table->intro);
    for (const struct table_option *const *group = table->groups; *group != NULL; group++)
        for (const struct table_option *row = *group; row->name != NULL; row++)
            print_row(row);
    puts("  -h, --help               print this help\n      --version            print the version");
    if (table->more != NULL)
        puts(table->more);
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* The name of the long option with this val; NULL: the val is a letter. */
static const char *find_long(const struct option *longs, int id)
{
    while (longs->name != NULL && longs->val != id)
        longs++;
    return longs->name;
}

/* Whether several options begin with the name; prints them. */
static bool say_ambiguous(const struct table *table, const struct option *longs, const char *name)
{
    char list[256] = "";
    size_t count = 0, used = 0;
    for (; longs->name != NULL; longs++)
        if (strncmp(longs->name, name, strlen(name)) == 0 && used < sizeof list) {
            used += (size_t)snprintf(list + used, sizeof list - used, "%s--%s", count > 0 ? ", " : "", longs->name);
            count++;
        }
    if (count < 2)
        return false;
    say(table->verb, "--%s may be any of %s: write it out", name, list);
    return true;
}

static int say_unknown_letter(const struct table *table, int letter)
{
    char shown[ESCAPE_SIZE + 1] = {(char)letter};
    if (letter <= ' ' || letter >= 0x7f)
        escape_byte((char)letter, shown);
    return say(table->verb, "there is no option -%s; %s --help lists them", shown, full_name(table));
}

static int say_unknown_name(const struct table *table, const struct option *longs, const char *word)
{
    const char *names[OPTIONS_MOST + 3];
    size_t count = 0;
    char given[64];
    snprintf(given, sizeof given, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    if (given[0] != '\0' && say_ambiguous(table, longs, given))
        return -1;
    for (; longs[count].name != NULL; count++)
        names[count] = longs[count].name;
    names[count] = NULL;
    const char *near = suggest_word(given, names);
    if (near != NULL)
        return say(table->verb, "there is no option --%s; did you mean --%s?", given, near);
    return say(table->verb, "there is no option --%s; %s --help lists them", given, full_name(table));
}

/* Prints why getopt_long(3) refused a word. optopt is a letter, or the val of a long option, or 0 for an unknown name.
 * Only then is the word argv[optind - 1]: a letter may have others behind it. */
static int say_refused(const struct table *table, const struct option *longs, int id, char **argv)
{
    const char *name = find_long(longs, optopt);
    if (id == ':' && name != NULL && optopt >= FIRST_ID)
        return say(table->verb, "--%s needs a value", name);
    if (id == ':')
        return say(table->verb, "-%c needs a value", optopt);
    if (name != NULL)
        return say(table->verb, "--%s takes no value", name);
    return optopt != 0 ? say_unknown_letter(table, optopt) : say_unknown_name(table, longs, argv[optind - 1]);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static int parse_number(const struct table_option *row, const char *text, int64_t *value)
{
    switch (row->type) {
    case TABLE_STORES_SIZE:
        return values_size(row->name, text, row->least, row->most, row->range, value);
    case TABLE_STORES_BUDGET:
        return values_memory_budget(row->name, text, value);
    case TABLE_STORES_MS:
    case TABLE_STORES_SECONDS:
        return values_time(row->name, text, row->least, value);
    default:
        return values_number(row->name, text, row->least, row->most, row->range, value);
    }
}

static int store_number(const struct table_option *row, const char *text, void *member)
{
    int64_t value;
    if (parse_number(row, text, &value) < 0)
        return -1;
    const bool is_none = row->has_none && value == 0;
    if (row->type == TABLE_STORES_SECONDS)
        *(double *)member = is_none ? POOL_NONE : (double)value / 1000;
    else if (row->type == TABLE_STORES_INT32)
        *(int32_t *)member = (int32_t)value;
    else
        *(int64_t *)member = is_none ? POOL_NONE : value;
    return 0;
}

static int store(const struct table_option *row, const char *text, void *context)
{
    if (row->set != NULL)
        return row->set(context, text);
    void *member = (char *)(row->base != NULL ? row->base : context) + row->offset;
    switch (row->type) {
    case TABLE_STORES_FLAG:
        *(bool *)member = true;
        return 0;
    case TABLE_STORES_TEXT:
        *(const char **)member = text;
        return 0;
    case TABLE_STORES_PATH:
        return values_path(row->name, text, member);
    default:
        return store_number(row, text, member);
    }
}

int table_read(const struct table *table, int argc, char **argv, void *context)
{
    const struct table_option *rows[OPTIONS_MOST];
    struct option longs[OPTIONS_MOST + 3];
    char shorts[3 * OPTIONS_MOST + 4], *at = stpcpy(shorts, table->anywhere ? ":h" : "+:h");
    const size_t count = collect(table, rows);
    for (size_t i = 0; i < count; i++) {
        const int argument = rows[i]->argument != NULL ? required_argument : no_argument;
        longs[i] = (struct option){rows[i]->name, argument, NULL, FIRST_ID + (int)i};
        if (rows[i]->letter != 0) {
            *at++ = rows[i]->letter;
            if (argument == required_argument)
                *at++ = ':';
        }
    }
    *at = '\0';
    longs[count] = (struct option){"help", no_argument, NULL, 'h'};
    longs[count + 1] = (struct option){"version", no_argument, NULL, VERSION_ID};
    longs[count + 2] = (struct option){0};
    values_verb = table->verb;
    optind = 0; /* glibc: starts anew, behind the first word */
    opterr = 0;
    for (int id; (id = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        if (id == 'h') {
            print_help(table);
            return -2;
        }
        if (id == VERSION_ID) {
            printf("%s %s\n", say_program, pool_version());
            return -2;
        }
        if (id == '?' || id == ':')
            return say_refused(table, longs, id, argv);
        const struct table_option *row = NULL;
        for (size_t i = 0; i < count; i++)
            if (id == FIRST_ID + (int)i || id == rows[i]->letter)
                row = rows[i];
        if (row == NULL || store(row, optarg, context) < 0)
            return -1;
    }
    return optind;
}
