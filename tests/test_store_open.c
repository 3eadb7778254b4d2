/* Opening a store: fresh ones, foreign ones, newer ones, migrations, torn tails and flipped bits. */
#include "directory.h"
#include "jobs.h"
#include "store_db.h"
#include "store_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATABASE "reclaimd.db"
#define LOG      DATABASE "-wal"

/* ---- files in memory --------------------------------------------------------------------------------------------- */

struct image {
    uint8_t *data;
    size_t size;
};

static struct image image_of(const char *name)
{
    struct image image = {0};
    struct stat stat_buffer;
    const int fd = open(directory_file(name), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return image;
    assert_int_equal(fstat(fd, &stat_buffer), 0);
    image.data = malloc((size_t)stat_buffer.st_size + 1);
    image.size = (size_t)stat_buffer.st_size;
    assert_non_null(image.data);
    assert_int_equal(read(fd, image.data, image.size), image.size);
    close(fd);
    return image;
}

static void image_write(const char *name, const struct image *image, size_t size)
{
    const int fd = open(directory_file(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, image->data, size), size);
    close(fd);
}

static void expect_untouched(const char *name, const struct image *image)
{
    const struct image now = image_of(name);
    assert_int_equal(now.size, image->size);
    if (now.size > 0)
        assert_memory_equal(now.data, image->data, now.size);
    free(now.data);
}

static int open_error(char message[512])
{
    struct store *store;
    message[0] = '\0';
    const int r = store_open(&store, directory_path, message);
    store_close(store);
    return r;
}

static void expect_refused(int error, const char *words)
{
    char message[512];
    const int r = open_error(message);
    if (r != error || strstr(message, words) == NULL || strstr(message, directory_path) == NULL)
        fail_msg("%d instead of %d, or not \"%s\": %s", r, error, words, message);
    assert_null(strchr(message, '\n'));
}

/* ---- from nothing ------------------------------------------------------------------------------------------------ */

static void test_store_open_fresh(void **state)
{
    (void)state;
    const bool none[JOBS_MOST] = {false};
    struct stat made;
    uint64_t bytes;
    const struct image rest = {.data = (uint8_t *)"half", .size = 4};
    image_write(DATABASE ".new", &rest, 4); /* of one that died while it made it */
    image_write(DATABASE ".new-journal", &rest, 4);
    struct store *store = jobs_open();
    jobs_expect(store, none);
    assert_int_equal(store_bytes(store, &bytes), 0);
    assert_int_equal(stat(directory_file(DATABASE), &made), 0);
    assert_true(bytes >= (uint64_t)made.st_size && made.st_size > 0);
    assert_int_equal(made.st_mode & 0777, 0600);
    assert_int_equal(jobs_insert(store, 1, 10), 0);
    assert_int_equal(store_commit(store), 0);
    assert_int_equal(stat(directory_file(LOG), &made), 0);
    assert_int_equal(made.st_mode & 0777, 0600);
    assert_int_equal(access(directory_file(DATABASE "-shm"), F_OK), -1);
    store_close(store);
    assert_int_equal(access(directory_file(DATABASE ".new"), F_OK), -1);
    assert_int_equal(access(directory_file(DATABASE ".new-journal"), F_OK), -1);
    assert_int_equal(access(directory_file(LOG), F_OK), -1); /* written back */
}

static void test_store_open_nowhere(void **state)
{
    (void)state;
    struct store *store;
    char message[512];
    assert_int_equal(store_open(&store, directory_file("missing"), message), -ENOENT);
    assert_non_null(strstr(message, "missing"));
    assert_null(store);
    assert_int_equal(mkdir(directory_file(DATABASE), 0700), 0);
    expect_refused(-EISDIR, DATABASE);
}

static void test_store_open_twice(void **state)
{
    (void)state;
    struct store *store = jobs_open();
    expect_refused(-EBUSY, "other program");
    assert_int_equal(jobs_insert(store, 1, 10), 0);
    assert_int_equal(store_commit(store), 0);
    store_close(store);
}

/* ---- another's, and another version's ---------------------------------------------------------------------------- */

/* Runs sql on the database as a program with our pages would. */
static void run_sql(const char *vfs, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(directory_file(DATABASE), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs),
                     0);
    assert_int_equal(sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_store_open_of_another_application(void **state)
{
    (void)state;
    run_sql(NULL, "PRAGMA application_id = 7; CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
    struct image before = image_of(DATABASE);
    expect_refused(-EUCLEAN, "no database of reclaimd");
    expect_untouched(DATABASE, &before);
    memset(before.data, 'x', before.size);
    image_write(DATABASE, &before, before.size);
    expect_refused(-EUCLEAN, "no database of reclaimd");
    expect_untouched(DATABASE, &before);
    image_write(DATABASE, &before, 100);
    expect_refused(-EUCLEAN, "shorter than a page");
    image_write(DATABASE, &before, 0);
    expect_refused(-EUCLEAN, "shorter than a page");
    free(before.data);
}

static void test_store_open_without_its_database(void **state)
{
    (void)state;
    const struct image log = {.data = (uint8_t *)"log", .size = 3};
    image_write(LOG, &log, 3);
    expect_refused(-EUCLEAN, "missing");
    expect_untouched(LOG, &log);
}

static void test_store_open_of_a_newer_version(void **state)
{
    (void)state;
    store_close(jobs_open());
    run_sql(STORE_PAGES_VFS, "PRAGMA user_version = 99");
    const struct image before = image_of(DATABASE);
    expect_refused(-EPROTONOSUPPORT, "version 99");
    expect_untouched(DATABASE, &before);
    free(before.data);
}

/* The version stands in the log only. */
static void test_store_open_of_a_newer_version_after_a_crash(void **state)
{
    (void)state;
    store_close(jobs_open());
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(directory_file(DATABASE), &db, SQLITE_OPEN_READWRITE, STORE_PAGES_VFS), 0);
    assert_int_equal(sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA user_version = 99", NULL, NULL, NULL),
                     0);
    const struct image database = image_of(DATABASE), log = image_of(LOG);
    sqlite3_close(db);
    image_write(DATABASE, &database, database.size);
    image_write(LOG, &log, log.size);
    expect_refused(-EPROTONOSUPPORT, "version 99");
    expect_untouched(DATABASE, &database);
    expect_untouched(LOG, &log);
    free(database.data);
    free(log.data);
}

/* What a reclaimd before this one has left is all there, and goes on. */
static void test_store_open_of_the_first_version(void **state)
{
    (void)state;
    bool wanted[JOBS_MOST] = {true, true, true};
    struct record record;
    struct store *store = jobs_open();
    for (int i = 0; i < 3; i++)
        assert_int_equal(jobs_insert(store, i, 10), 0);
    assert_int_equal(store_commit(store), 0);
    store_close(store);
    run_sql(STORE_PAGES_VFS, "ALTER TABLE job DROP COLUMN unkillable; PRAGMA user_version = 1");
    store = jobs_open();
    jobs_expect(store, wanted);
    assert_int_equal(store_job_read(store, 1, &record), 0);
    assert_false(record.end.unkillable);
    record.end.unkillable = true;
    assert_int_equal(store_job_update(store, &record), 0);
    assert_int_equal(store_commit(store), 0);
    assert_int_equal(store_job_read(store, 1, &record), 0);
    assert_true(record.end.unkillable);
    store_close(store);
}

static void test_store_open_row_of_a_missing_job(void **state)
{
    (void)state;
    store_close(jobs_open());
    run_sql(STORE_PAGES_VFS, "INSERT INTO spec VALUES (99, x'00')");
    expect_refused(-EUCLEAN, "a job that is not there");
}

static int count_tables(sqlite3 *db)
{
    sqlite3_stmt *statement;
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'", -1, &statement, NULL), 0);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const int count = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return count;
}

static int version_of(sqlite3 *db)
{
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL), 0);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const int version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return version;
}

static void test_store_open_migrates_whole_or_not(void **state)
{
    (void)state;
    static const char *const good[] = {"CREATE TABLE a (x)", "CREATE TABLE b (x); INSERT INTO b VALUES (1)",
                                       "ALTER TABLE b ADD COLUMN y"};
    static const char *const bad[] = {"CREATE TABLE a (x)", "CREATE TABLE b (x)",
                                      "DROP TABLE a; CREATE TABLE c (x); INSERT INTO missing VALUES (1)"};
    sqlite3 *db;
    assert_int_equal(sqlite3_open(directory_file("some.db"), &db), 0);
    assert_int_equal(store_migrate(db, good, 0, 1), SQLITE_OK);
    assert_int_equal(version_of(db), 1);
    assert_int_equal(count_tables(db), 1);
    assert_int_equal(store_migrate(db, bad, 1, 3), SQLITE_ERROR);
    assert_int_equal(version_of(db), 1);
    assert_int_equal(count_tables(db), 1);
    assert_true(sqlite3_get_autocommit(db) != 0);
    assert_int_equal(store_migrate(db, good, 1, 3), SQLITE_OK);
    assert_int_equal(version_of(db), 3);
    assert_int_equal(count_tables(db), 2);
    assert_int_equal(store_migrate(db, good, 3, 3), SQLITE_OK);
    sqlite3_close(db);
}

/* ---- a torn tail ------------------------------------------------------------------------------------------------- */

#define COMMITS     6
#define HEADER_SIZE 32
#define FRAME_SIZE  (24 + STORE_PAGE_SIZE)

/* A database and a log of COMMITS transactions, of one job each, as a daemon that was killed leaves them. */
struct crashed {
    struct image database, log;
    size_t ends[COMMITS + 1]; /* of the log, after so many */
};

static void crash_begin(struct crashed *crashed)
{
    struct stat stat_buffer;
    struct store *store = jobs_open();
    crashed->ends[0] = 0;
    for (int i = 0; i < COMMITS; i++) {
        assert_int_equal(jobs_insert(store, i, i % 2 == 0 ? 50 : 6000), 0);
        assert_int_equal(store_commit(store), 0);
        assert_int_equal(stat(directory_file(LOG), &stat_buffer), 0);
        crashed->ends[i + 1] = (size_t)stat_buffer.st_size;
    }
    crashed->database = image_of(DATABASE);
    crashed->log = image_of(LOG);
    store_close(store);
}

static void crash_end(struct crashed *crashed)
{
    free(crashed->database.data);
    free(crashed->log.data);
}

static void crash_write(const struct crashed *crashed, size_t log_size)
{
    image_write(DATABASE, &crashed->database, crashed->database.size);
    image_write(LOG, &crashed->log, log_size);
}

/* Opens what is there: exactly the first `count` jobs are. */
static void expect_first(int count)
{
    bool wanted[JOBS_MOST] = {false};
    for (int i = 0; i < count; i++)
        wanted[i] = true;
    struct store *store = jobs_open();
    jobs_expect(store, wanted);
    assert_int_equal(store_probe(store), 0);
    store_close(store);
}

static void test_store_open_torn_tail(void **state)
{
    (void)state;
    struct crashed crashed;
    crash_begin(&crashed);
    for (size_t cut = 0; cut <= crashed.log.size; cut += cut == 0 ? HEADER_SIZE : FRAME_SIZE)
        for (int beyond = 0; beyond < 3; beyond++) { /* at a frame's end, in the next one's header, in its page */
            const size_t size = cut + (size_t)beyond * 20 * (size_t)(1 + beyond * 30);
            if (size > crashed.log.size)
                continue;
            int acknowledged = 0;
            while (acknowledged < COMMITS && crashed.ends[acknowledged + 1] <= size)
                acknowledged++;
            crash_write(&crashed, size);
            expect_first(acknowledged);
        }
    crash_end(&crashed);
}

/* ---- flipped bits ------------------------------------------------------------------------------------------------ */

static void flip(struct image *image, size_t at, size_t seed)
{
    image->data[at] ^= (uint8_t)(1U << seed % 8);
}

static void test_store_open_flipped_bits_in_pages(void **state)
{
    (void)state;
    struct crashed crashed;
    crash_begin(&crashed);
    struct image whole = image_of(DATABASE);
    assert_true(whole.size >= (size_t)20 * STORE_PAGE_SIZE);
    for (size_t page = 0; page < whole.size; page += STORE_PAGE_SIZE) {
        const size_t places[] = {0, 20, 100, 700 + page / 97 % 3000, STORE_PAGE_SIZE - 1};
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            flip(&whole, page + places[i], page / STORE_PAGE_SIZE + i);
            image_write(DATABASE, &whole, whole.size);
            expect_refused(-EUCLEAN, DATABASE);
            expect_untouched(DATABASE, &whole);
            flip(&whole, page + places[i], page / STORE_PAGE_SIZE + i);
        }
    }
    image_write(DATABASE, &whole, whole.size - STORE_PAGE_SIZE);
    expect_refused(-EUCLEAN, DATABASE);
    image_write(DATABASE, &whole, whole.size);
    expect_first(COMMITS);
    free(whole.data);
    crash_end(&crashed);
}

/* In the last transaction it cannot be told from a torn tail; before that it is refused. */
static void expect_told(const struct crashed *crashed, size_t at)
{
    if (at < crashed->ends[COMMITS - 1]) {
        expect_refused(-EUCLEAN, "middle of its -wal");
        expect_untouched(LOG, &crashed->log);
        expect_untouched(DATABASE, &crashed->database);
    } else
        expect_first(COMMITS - 1);
}

static void test_store_open_flipped_bits_in_the_log(void **state)
{
    (void)state;
    struct crashed crashed;
    crash_begin(&crashed);
    for (size_t at = 0; at < HEADER_SIZE; at++) {
        flip(&crashed.log, at, at);
        crash_write(&crashed, crashed.log.size);
        expect_told(&crashed, at);
        flip(&crashed.log, at, at);
    }
    for (size_t frame = HEADER_SIZE; frame < crashed.log.size; frame += FRAME_SIZE) {
        const size_t places[] = {3, 8, 15, 16, 23, 24, 24 + frame % 4096}; /* 4 to 7: the mark of a commit itself */
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            flip(&crashed.log, frame + places[i], i);
            crash_write(&crashed, crashed.log.size);
            expect_told(&crashed, frame + places[i]);
            flip(&crashed.log, frame + places[i], i);
        }
    }
    crash_write(&crashed, crashed.log.size);
    expect_first(COMMITS);
    crash_end(&crashed);
}

/* A log that began anew over an older one in the same file: the older one's frames are no damage. */
static void test_store_open_log_over_an_older_one(void **state)
{
    (void)state;
    struct crashed crashed;
    struct store *store = jobs_open();
    for (int i = 0; i < COMMITS; i++) {
        if (i == COMMITS - 1)
            store->log_frames = STORE_LOG_FRAMES_MOST;
        assert_int_equal(jobs_insert(store, i, i == 0 ? 50000 : 50), 0);
        assert_int_equal(store_commit(store), 0);
    }
    assert_int_equal(jobs_insert(store, COMMITS, 2000000), 0); /* more than the cache: in the log, not committed */
    crashed.database = image_of(DATABASE);
    crashed.log = image_of(LOG);
    assert_true(crashed.log.size > 1000000);
    store_rollback(store);
    assert_int_equal(jobs_insert(store, COMMITS, 50), 0);
    assert_int_equal(store_commit(store), 0);
    struct crashed later = {.database = image_of(DATABASE), .log = image_of(LOG)};
    store_close(store);
    crash_write(&crashed, crashed.log.size);
    expect_first(COMMITS);
    crash_write(&later, later.log.size);
    expect_first(COMMITS + 1);
    crash_end(&crashed);
    crash_end(&later);
}

/* Damage that appears while it is open is told, too. */
static void test_store_open_bit_flipped_later(void **state)
{
    (void)state;
    struct record record;
    struct store *store = jobs_open();
    for (int i = 0; i < 400; i++)
        assert_int_equal(jobs_insert(store, i, 9000), 0); /* more than the cache */
    assert_int_equal(store_commit(store), 0);
    store_close(store);
    store = jobs_open();
    const int fd = open(directory_file(DATABASE), O_RDWR | O_CLOEXEC);
    struct stat stat_buffer;
    assert_int_equal(fstat(fd, &stat_buffer), 0);
    for (off_t at = 1000; at < stat_buffer.st_size; at += STORE_PAGE_SIZE)
        assert_int_equal(pwrite(fd, "~", 1, at), 1);
    int damaged = 0;
    for (uint64_t id = 1; id <= 400; id++) {
        const int r = store_job_read(store, id, &record);
        if (r == -EUCLEAN)
            damaged++;
        else
            assert_int_equal(r, 0);
    }
    assert_true(damaged > 100);
    assert_non_null(strstr(store_message(store), "checksum"));
    store_close(store);
    close(fd);
    expect_refused(-EUCLEAN, "checksum");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIRECTORY_TEST(test_store_open_fresh),
        DIRECTORY_TEST(test_store_open_nowhere),
        DIRECTORY_TEST(test_store_open_twice),
        DIRECTORY_TEST(test_store_open_of_another_application),
        DIRECTORY_TEST(test_store_open_without_its_database),
        DIRECTORY_TEST(test_store_open_of_a_newer_version),
        DIRECTORY_TEST(test_store_open_of_a_newer_version_after_a_crash),
        DIRECTORY_TEST(test_store_open_row_of_a_missing_job),
        DIRECTORY_TEST(test_store_open_of_the_first_version),
        DIRECTORY_TEST(test_store_open_migrates_whole_or_not),
        DIRECTORY_TEST(test_store_open_torn_tail),
        DIRECTORY_TEST(test_store_open_flipped_bits_in_pages),
        DIRECTORY_TEST(test_store_open_flipped_bits_in_the_log),
        DIRECTORY_TEST(test_store_open_log_over_an_older_one),
        DIRECTORY_TEST(test_store_open_bit_flipped_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
