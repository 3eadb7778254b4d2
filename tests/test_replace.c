/* Replacement strings beside what GNU parallel 20221122 makes of them; and quoting, read back by a real shell. */
#include "quote.h"
#include "replace.h"

#include "support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void expect(const char *template, const char *const *values, size_t count, const char *expected)
{
    const char *const words[] = {template, NULL};
    const struct replace_input input = {.values = values, .count = count, .seq = 7, .slot = 2};
    struct text text = {0};
    assert_int_equal(replace_words(words, true, &input, &text), 1);
    assert_string_equal(text.data, expected);
    text_deinit(&text);
}

static void test_replace_parts_of_a_path(void **state)
{
    (void)state;
    static const struct {
        const char *value, *no_extension, *base, *directory, *base_no_extension;
    } table[] = {
        {"a/b.c.d", "a/b.c", "b.c.d", "a", "b.c"},
        {"/x", "/x", "x", "/", "x"},
        {"d.e/", "d.e/", "", ".", ""},
        {".hid", "", ".hid", ".", ""},
        {"a.b/c", "a.b/c", "c", "a.b", "c"},
        {"", "", "", ".", ""},
        {"/", "/", "", "/", ""},
        {"a//b", "a//b", "b", "a", "b"},
        {"x.", "x", "x.", ".", "x"},
        {"..", ".", "..", ".", "."},
        {"a.b.", "a.b", "a.b.", ".", "a.b"},
        {"a/b/", "a/b/", "", "a", ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *const values[] = {table[i].value};
        char whole[32];
        snprintf(whole, sizeof whole, "<%s>", table[i].value);
        expect("<{}>", values, 1, whole);
        expect("<{1}>", values, 1, whole);
        expect("{.}", values, 1, table[i].no_extension);
        expect("{/}", values, 1, table[i].base);
        expect("{//}", values, 1, table[i].directory);
        expect("{/.}", values, 1, table[i].base_no_extension);
        expect("{1/.}", values, 1, table[i].base_no_extension);
        expect("{-1//}", values, 1, table[i].directory);
    }
}

static void test_replace_several_inputs(void **state)
{
    (void)state;
    static const char *const values[] = {"x/a.b", "c d"};
    expect("_{}_", values, 2, "_x/a.b c d_");
    expect("{2}{1}", values, 2, "c dx/a.b");
    expect("{-1}{-2.}", values, 2, "c dx/a");
    expect("{1/.}-{#}-{%}", values, 2, "a-7-2");
    expect("_{/}", values, 2, "_a.b c d");
    expect("_{0}", values, 2, "_x/a.b c d");
    expect("_{0/.}", values, 2, "_a c d");
}

static void test_replace_what_is_none_stays(void **state)
{
    (void)state;
    static const char *const values[] = {"v"};
    static const char *const same[] = {"{",      "}",           "{x}",    "{ }",        "{1",     "{-}",    "{...}",
                                       "${y}",   "{/./}",       "{=}",    "{--1}",      "{1,2}",  "",       "a{b",
                                       "{1 }",   "{-0}",        "{+1}",   "{##}",       "{+/}",   "{+.}",   "{..}",
                                       "{/..}",  "{1=s/a/b/=}", "{2..}",  "{choose_k}", "{uniq}", "{slot}", "{seq}",
                                       "{host}", "{sshlogin}",  "{hgrp}", "{agrp}",     "{:-x}",  "{:2}",   "{:2:3}",
                                       "{#x}",   "{##x}",       "{%x}",   "{%%x}",      "{/a/b}", "{^a}",   "{,a}"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        expect(same[i], values, 1, same[i]);
    expect("{{}}", values, 1, "{v}");
    expect("{{1}", values, 1, "{v");
    static const char *const recursive[] = {"{1}{}"};
    expect("{}", recursive, 1, "{1}{}");
}

static void expect_problem(const char *first, const char *second, enum replace_problem problem, const char *at)
{
    struct replace_use use;
    replace_inspect((const char *const[]){"echo", first, second, NULL}, 2, &use);
    if (use.problem != problem)
        fail_msg("%s %s: problem %d instead of %d", first, second, (int)use.problem, (int)problem);
    if (at == NULL)
        return;
    assert_int_equal(use.problem_size, strlen(at));
    assert_memory_equal(use.problem_at, at, strlen(at));
}

static void test_replace_inspects(void **state)
{
    (void)state;
    struct replace_use use;
    replace_inspect((const char *const[]){"echo", "a", NULL}, 1, &use);
    assert_false(use.any);
    assert_int_equal(use.problem, REPLACE_FINE);
    assert_true(use.shows_inputs);
    replace_inspect((const char *const[]){"echo", "{%}", NULL}, 1, &use);
    assert_false(use.shows_inputs);
    assert_true(use.any);
    expect_problem("{1}x{3.}", "{4}", REPLACE_MISSING, "{3.}");
    expect_problem("{-3}", "", REPLACE_MISSING, "{-3}");
    expect_problem("{-2}{2}", "{#}{%}{0}", REPLACE_FINE, NULL);
}

/* What GNU parallel would replace, and nobody here: never taken as text. */
static void test_replace_refuses(void **state)
{
    (void)state;
    expect_problem("x{1#}", "{3}", REPLACE_NUMBERED, "{1#}");
    expect_problem("{0%}", "", REPLACE_NUMBERED, "{0%}");
    expect_problem("{-2#}", "", REPLACE_NUMBERED, "{-2#}");
    expect_problem("x{= $_++ =}y", "", REPLACE_EXPRESSION, NULL);
    expect_problem("{==}", "{3}", REPLACE_EXPRESSION, NULL);
    expect_problem("{=1", "s/a/b/ =}", REPLACE_EXPRESSION, NULL);
    expect_problem("=} {=", "=", REPLACE_FINE, NULL);
    expect_problem("{=}", "{= x", REPLACE_FINE, NULL);
}

static void test_replace_words_and_lines(void **state)
{
    (void)state;
    static const char *const values[] = {"a b", "c"};
    struct replace_input input = {.values = values, .count = 2, .seq = 1, .slot = 1};
    struct text text = {0};
    assert_int_equal(replace_words((const char *const[]){"echo", "{}", "x{}", NULL}, true, &input, &text), 4);
    assert_memory_equal(text.data, "echo\0a b\0c\0xa b c\0", text.size);
    text_clear(&text);
    assert_int_equal(replace_words((const char *const[]){"echo", NULL}, false, &input, &text), 3);
    assert_memory_equal(text.data, "echo\0a b\0c\0", text.size);
    text_clear(&text);
    replace_line((const char *const[]){"echo {2}|wc", "-c", NULL}, true, &input, &text);
    assert_string_equal(text.data, "echo c|wc -c");
    text_clear(&text);
    replace_line((const char *const[]){"echo", NULL}, false, &input, &text);
    assert_string_equal(text.data, "echo 'a b' c");
    text_clear(&text);
    input.unnumbered = true;
    replace_line((const char *const[]){"echo {#} {%} {1}", NULL}, true, &input, &text);
    assert_string_equal(text.data, "echo {#} {%} 'a b'");
    text_deinit(&text);
}

/* What a shell reads is what was quoted: by sh, and for a line by bash. */
static void expect_read_back(const char *shell, void (*quote)(struct text *, const char *, size_t), const char *word)
{
    struct text command = {0};
    char got[512];
    text_printf(&command, "%s -c ", shell);
    struct text inner = {0};
    text_puts(&inner, "printf %s ");
    quote(&inner, word, strlen(word));
    assert_null(quote == quote_line ? memchr(inner.data, '\n', inner.size) : NULL);
    quote_shell(&command, inner.data, inner.size);
    FILE *pipe = popen(command.data, "r");
    assert_non_null(pipe);
    const size_t size = fread(got, 1, sizeof got, pipe);
    assert_int_equal(pclose(pipe), 0);
    assert_int_equal(size, strlen(word));
    assert_memory_equal(got, word, size);
    text_deinit(&inner);
    text_deinit(&command);
}

static void test_quote_is_read_back(void **state)
{
    (void)state;
    static const char *const words[] = {"plain", "",         "a b",    "it's",       "''",   "\"",  "\\",
                                        "a\\n",  "$HOME",    "`id`",   "*?[]",       "~",    "a=b", "#x",
                                        "-n",    "\xc3\xa9", "\xff",   "!x",         "a\nb", "\t",  "\r\n",
                                        "\033",  "\0017",    "'\n\\'", "x\n'y' z\\", "{a,b}"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        expect_read_back("sh", quote_shell, words[i]);
        if (access("/bin/bash", X_OK) == 0)
            expect_read_back("bash", quote_line, words[i]);
    }
}

static void test_quote_whole_commands(void **state)
{
    (void)state;
    struct text text = {0};
    quote_command(&text, (const char *const[]){"gzip", "a b", "c\td", "", NULL});
    assert_string_equal(text.data, "gzip 'a b' $'c\\td' ''");
    text_deinit(&text);
}

/* Whether different inputs are sure to make different commands. */
static void test_replace_tells(void **state)
{
    (void)state;
    static const struct {
        const char *words[4];
        size_t inputs;
        bool expected;
    } table[] = {
        {{"echo", NULL}, 2, true},
        {{"echo", "-o{}.txt", NULL}, 1, true},
        {{"echo", "{/}", "{.}", NULL}, 1, false},
        {{"echo", "{1}", "{2}", NULL}, 2, true},
        {{"echo", "{}", NULL}, 2, true},
        {{"echo", "{1}", "{2/}", NULL}, 2, false},
        {{"echo", "{1}{2}", NULL}, 2, false},
        {{"echo", "{-1}", "{1}", NULL}, 2, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct replace_use use;
        replace_inspect(table[i].words, table[i].inputs, &use);
        if (use.shows_inputs != table[i].expected)
            fail_msg("row %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_replace_parts_of_a_path),
        SUPPORT_TEST(test_replace_several_inputs),
        SUPPORT_TEST(test_replace_what_is_none_stays),
        SUPPORT_TEST(test_replace_inspects),
        SUPPORT_TEST(test_replace_refuses),
        SUPPORT_TEST(test_replace_tells),
        SUPPORT_TEST(test_replace_words_and_lines),
        SUPPORT_TEST(test_quote_is_read_back),
        SUPPORT_TEST(test_quote_whole_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
