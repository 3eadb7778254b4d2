/* Options read from a table: who is refused is called by its name, however it was written. */
#include "table.h"

#include "support.h"

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
    {"jobs", 'j', "N", "", set_jobs},      {"keep-order", 'k', NULL, "", set_keep},
    {"tag", 0, NULL, "", set_tag},         {"results", 0, "DIR", "", set_other},
    {"resume", 0, NULL, "", set_other},    {"resume-failed", 0, NULL, "", set_other},
    {"tag-string", 0, "S", "", set_other}, {0}};

static const struct table_option *const groups[] = {rows, NULL};

static struct table table = {.verb = "map", .usage = "", .intro = "", .groups = groups};

/* table_read of words with a space between each; `said` is what it said on standard error. */
static int read_words(const char *line, struct given *given, char *said, size_t size)
{
    char words[128], *argv[16] = {"map"};
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    FILE *file = tmpfile();
    const int kept = dup(STDERR_FILENO);
    assert_non_null(file);
    dup2(fileno(file), STDERR_FILENO);
    *given = (struct given){""};
    const int rc = table_read(&table, argc, argv, given);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    said[fread(said, 1, size - 1, file)] = '\0';
    fclose(file);
    return rc;
}

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
        SUPPORT_TEST(test_table_reads),
        SUPPORT_TEST(test_table_names_letters),
        SUPPORT_TEST(test_table_names_words),
        SUPPORT_TEST(test_table_names_what_lacks_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
