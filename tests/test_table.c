/* Options read from a table: who is refused is called by its name, however it was written. */
#include "table.h"

#include "support.h"

#include <reclaim/pool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct given {
    char text[128]; /* what was set, in order: "jobs=3 tag" */
};

static int note(void *context, const char *option, const char *value)
{
    struct given *given = context;
    const size_t used = strlen(given->text);
    snprintf(given->text + used, sizeof given->text - used, "%s%s%s%s", used > 0 ? " " : "", option,
             value != NULL ? "=" : "", value != NULL ? value : "");
    return 0;
}

static int set_jobs(void *context, const char *value)
{
    return note(context, "jobs", value);
}

static int set_keep(void *context, const char *value)
{
    return note(context, "keep", value);
}

static int set_tag(void *context, const char *value)
{
    return note(context, "tag", value);
}

static int set_other(void *context, const char *value)
{
    return note(context, "other", value);
}

static const struct table_option rows[] = {
    {"jobs", 'j', "N", "", .set = set_jobs},      {"keep-order", 'k', NULL, "", .set = set_keep},
    {"tag", 0, NULL, "", .set = set_tag},         {"results", 0, "DIR", "", .set = set_other},
    {"resume", 0, NULL, "", .set = set_other},    {"resume-failed", 0, NULL, "", .set = set_other},
    {"tag-string", 0, "S", "", .set = set_other}, {0}};

static const struct table_option *const groups[] = {rows, NULL};

static struct table table = {.verb = "map", .usage = "", .intro = "", .groups = groups};

/* table_read, what it says on standard error in `said`. */
static int read_saying(const struct table *from, int argc, char **argv, void *context, char *said, size_t size)
{
    FILE *file = tmpfile();
    const int kept = dup(STDERR_FILENO);
    assert_non_null(file);
    dup2(fileno(file), STDERR_FILENO);
    const int rc = table_read(from, argc, argv, context);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    said[fread(said, 1, size - 1, file)] = '\0';
    fclose(file);
    return rc;
}

/* The words of a line. */
static int read_words(const char *line, struct given *given, char *said, size_t size)
{
    char words[128], *argv[16] = {"map"};
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    *given = (struct given){""};
    return read_saying(&table, argc, argv, given, said, size);
}

/* ---- rows that store --------------------------------------------------------------------------------------------- */

struct stored {
    bool flag;
    const char *text;
    char path[PATH_MAX];
    int64_t whole, size, budget, delay, duration;
    int32_t small;
    double seconds;
};

static int64_t elsewhere;

static const struct table_option stored_rows[] = {
    {"flag", 'f', NULL, "", TABLE_FLAG(struct stored, flag)},
    {"text", 0, "T", "", TABLE_TEXT(struct stored, text)},
    {"path", 0, "P", "", TABLE_PATH(struct stored, path)},
    {"whole", 0, "N", "", TABLE_NUMBER(struct stored, whole, 1, INT64_MAX)},
    {"small", 0, "N", "", TABLE_NUMBER(struct stored, small, -5, 10)},
    {"odd", 0, "N", "", TABLE_NUMBER(struct stored, small, 1, 3), .range = "one, two or three"},
    {"size", 0, "S", "", TABLE_SIZE(struct stored, size, 1024, 4096), .range = "from 1K to 4K"},
    {"piece", 0, "S", "", TABLE_SIZE(struct stored, size, 1024, 4096)},
    {"whole-size", 0, "S", "", TABLE_SIZE(struct stored, size, 1024, INT64_MAX)},
    {"budget", 0, "S", "", TABLE_BUDGET(struct stored, budget)},
    {"delay", 0, "D", "", TABLE_DELAY(struct stored, delay)},
    {"none", 0, "D", "", TABLE_DELAY(struct stored, delay), .has_none = true},
    {"duration", 0, "D", "", TABLE_DURATION(struct stored, duration)},
    {"seconds", 0, "D", "", TABLE_DELAY(struct stored, seconds), .has_none = true},
    {"elsewhere", 0, "N", "", .type = TABLE_STORES_INT64, .base = &elsewhere, .most = 9},
    {0}};

static int store_word(char *word, struct stored *stored, char *said, size_t size)
{
    static const struct table_option *const stored_groups[] = {stored_rows, NULL};
    static const struct table stored_table = {.verb = "x", .usage = "", .intro = "", .groups = stored_groups};
    char *argv[] = {"x", word, NULL};
    const int rc = read_saying(&stored_table, 2, argv, stored, said, size);
    return rc < 0 ? rc : 0;
}

static void test_table_stores(void **state)
{
    (void)state;
    char said[256];
    struct stored stored = {0};
    char words[][32] = {"--flag",      "--text=t",  "--path=/p",    "--whole=9000000000", "--small=-5",   "--size=2K",
                        "--budget=2M", "--delay=0", "--duration=2", "--seconds=1.5",      "--elsewhere=7"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (store_word(words[i], &stored, said, sizeof said) < 0)
            fail_msg("%s: %s", words[i], said);
    assert_true(stored.flag);
    assert_string_equal(stored.text, "t");
    assert_string_equal(stored.path, "/p");
    assert_true(stored.whole == 9000000000 && stored.small == -5 && stored.size == 2048 && stored.budget == 2 << 20);
    assert_true(stored.delay == 0 && stored.duration == 2000 && elsewhere == 7);
    assert_true(stored.seconds > 1.49 && stored.seconds < 1.51);
    assert_int_equal(store_word((char[]){"--none=0"}, &stored, said, sizeof said), 0);
    assert_int_equal(stored.delay, POOL_NONE);
    assert_int_equal(store_word((char[]){"--seconds=0"}, &stored, said, sizeof said), 0);
    assert_true(stored.seconds == POOL_NONE);
}

static void test_table_refuses_values(void **state)
{
    (void)state;
    static const struct {
        const char *word, *said;
    } refused[] = {
        {"--path=", "--path : is empty: give a path"},
        {"--whole=0", "--whole 0: must be at least 1"},
        {"--whole=x", "--whole x: not a whole number"},
        {"--small=11", "--small 11: must lie between -5 and 10"},
        {"--odd=4", "--odd 4: one, two or three"},
        {"--size=1023", "--size 1023: from 1K to 4K"},
        {"--size=5K", "--size 5K: from 1K to 4K"},
        {"--piece=1023", "--piece 1023: must lie between 1024 and 4096"},
        {"--piece=5K", "--piece 5K: must lie between 1024 and 4096"},
        {"--whole-size=1", "--whole-size 1: must be at least 1024"},
        {"--size=5Q", "--size 5Q: not a size: give bytes, or 512K, 2G, 1.5G"},
        {"--budget=1K", "--budget 1K: give at least 1M"},
        {"--budget=101%", "--budget 101%: not a percentage of the machine's memory: give 80%"},
        {"--delay=x", "--delay x: not a duration: give seconds, or 30s, 5m, 2h, 1d"},
        {"--duration=0", "--duration 0: must be greater than zero"},
        {"--duration=1e300d", "--duration 1e300d: too long"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct stored stored = {0};
        char word[32], said[256], whole[256];
        snprintf(word, sizeof word, "%s", refused[i].word);
        snprintf(whole, sizeof whole, "reclaim x: %s\n", refused[i].said);
        assert_int_equal(store_word(word, &stored, said, sizeof said), -1);
        assert_string_equal(said, whole);
    }
}

/* ---- what getopt_long(3) refuses --------------------------------------------------------------------------------- */

static void expect_refused(const char *line, const char *expected)
{
    struct given given;
    char said[512], whole[512];
    for (int anywhere = 0; anywhere <= 1; anywhere++) {
        table.anywhere = anywhere == 1;
        snprintf(whole, sizeof whole, "reclaim map: %s\n", expected);
        assert_int_equal(read_words(line, &given, said, sizeof said), -1);
        assert_string_equal(said, whole);
    }
    table.anywhere = false;
}

static void expect_set(const char *line, const char *expected, int first)
{
    struct given given;
    char said[512];
    assert_int_equal(read_words(line, &given, said, sizeof said), first);
    assert_string_equal(said, "");
    assert_string_equal(given.text, expected);
}

static void test_table_reads(void **state)
{
    (void)state;
    expect_set("-kj3 --tag word -x", "keep jobs=3 tag", 3);
    expect_set("--jobs=3 --kee x", "jobs=3 keep", 3);
    expect_set("--tag -- -n1", "tag", 3);
    expect_set("--tag --resume", "tag other", 3);
}

static void test_table_names_letters(void **state)
{
    (void)state;
    expect_refused("-n1", "there is no option -n; reclaim map --help lists them");
    expect_refused("--tag -n1 word", "there is no option -n; reclaim map --help lists them");
    expect_refused("--tag -n word", "there is no option -n; reclaim map --help lists them");
    expect_refused("-kn1", "there is no option -n; reclaim map --help lists them");
    expect_refused("--jobs 3 -kn", "there is no option -n; reclaim map --help lists them");
    expect_refused("-k\xc3\xa9", "there is no option -\\xc3; reclaim map --help lists them");
    expect_refused("-\001", "there is no option -\\x01; reclaim map --help lists them");
}

static void test_table_names_words(void **state)
{
    (void)state;
    expect_refused("--tag --jbos=3", "there is no option --jbos; did you mean --jobs?");
    expect_refused("-k --wholly-else x", "there is no option --wholly-else; reclaim map --help lists them");
    expect_refused("--tag=x", "--tag takes no value");
    expect_refused("--kee=x", "--keep-order takes no value");
    expect_refused("-k --help=x", "--help takes no value");
    expect_refused("--version=x", "--version takes no value");
    expect_refused("--res x", "--res may be any of --results, --resume, --resume-failed: write it out");
    expect_refused("-k --resu=x", "--resu may be any of --results, --resume, --resume-failed: write it out");
}

static void test_table_names_what_lacks_a_value(void **state)
{
    (void)state;
    expect_refused("--tag -kj", "-j needs a value");
    expect_refused("-j", "-j needs a value");
    expect_refused("--tag --jobs", "--jobs needs a value");
    expect_refused("--job", "--jobs needs a value");
    expect_refused("--tag-", "--tag-string needs a value");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_table_reads),          SUPPORT_TEST(test_table_stores),
        SUPPORT_TEST(test_table_refuses_values), SUPPORT_TEST(test_table_names_letters),
        SUPPORT_TEST(test_table_names_words),    SUPPORT_TEST(test_table_names_what_lacks_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
