/* store.c - opens a store: looks at an existing one before it changes anything, makes a new one whole or not at all. */
#include "explain.h"
#include "store_db.h"
#include "store_log.h"
#include "store_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME     "reclaimd.db"
#define NAME_NEW NAME ".new"

/* EXCLUSIVE keeps other processes out: then SQLite needs no shared memory, and a checkpoint is always whole. Cache and
 * log stay small. */
static const char pragmas[] = "PRAGMA locking_mode = EXCLUSIVE;"
                              "PRAGMA synchronous = FULL;"
                              "PRAGMA foreign_keys = ON;"
                              "PRAGMA cache_size = -1024;"
                              "PRAGMA mmap_size = 0;"
                              "PRAGMA temp_store = MEMORY;"
                              "PRAGMA secure_delete = FAST;"
                              "PRAGMA journal_size_limit = 8388608;";

static int fail_with(char message[512], int error, const char *what, const char *path)
{
    return explain(message, error, "cannot %s %.300s: %s", what, path, strerror(-error));
}

static int sync_directory(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    const int r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

/* ---- a new one --------------------------------------------------------------------------------------------------- */

static int fill(sqlite3 *db)
{
    int reserved = STORE_PAGE_RESERVED;
    char sql[128];
    int rc = sqlite3_file_control(db, NULL, SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    snprintf(sql, sizeof sql, "PRAGMA page_size = %d; PRAGMA application_id = %d;", STORE_PAGE_SIZE, STORE_APPLICATION);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, pragmas, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = store_migrate(db, store_steps, 0, STORE_VERSION);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
    return rc;
}

/* SQLite gives the files beside a database its mode, so the database is an empty file of mode 0600 first. */
static int build(const char *path, char message[512])
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_with(message, -errno, "make", path);
    close(fd);
    struct store store = {.path = (char *)path};
    int error = 0, rc = sqlite3_open_v2(path, &store.db, SQLITE_OPEN_READWRITE, STORE_PAGES_VFS);
    if (rc == SQLITE_OK)
        rc = fill(store.db);
    if (rc != SQLITE_OK) {
        error = store_fail(&store, rc);
        memcpy(message, store.message, sizeof store.message);
    }
    sqlite3_close(store.db);
    return error;
}

static void remove_new(const char *path)
{
    static const char *const parts[] = {"", "-journal", "-wal"};
    char name[4096];
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(name, sizeof name, "%s%s", path, parts[i]);
        unlink(name);
    }
}

static int create(const char *directory, const char *path, char message[512])
{
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s/" NAME_NEW, directory);
    remove_new(temporary);
    int error = build(temporary, message);
    if (error == 0 && rename(temporary, path) < 0)
        error = fail_with(message, -errno, "make", path);
    if (error == 0 && (error = sync_directory(directory)) < 0)
        fail_with(message, error, "sync", directory);
    if (error < 0)
        remove_new(temporary);
    return error;
}

/* ---- an existing one --------------------------------------------------------------------------------------------- */

static int read_page(const char *path, uint8_t page[STORE_PAGE_SIZE])
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    const ssize_t size = read(fd, page, STORE_PAGE_SIZE);
    const int error = size < 0 ? -errno : size < STORE_PAGE_SIZE ? -EUCLEAN : 0;
    close(fd);
    return error;
}

static int newer(const char *path, int version, char message[512])
{
    return explain(message, -EPROTONOSUPPORT,
                   "%.300s has version %d, this reclaimd knows up to %d: use the reclaimd that made it", path, version,
                   STORE_VERSION);
}

/* Before SQLite sees the file: whether it is ours, and of a known version. If the first page is torn, the log may have
 * a good copy. https://sqlite.org/fileformat2.html#the_database_header. -ENOENT: there is no file. */
static int look_at_file(const struct store *store, char message[512])
{
    uint8_t page[STORE_PAGE_SIZE] = {0};
    const int error = read_page(store->path, page);
    if (error == -ENOENT && access(store->log_path, F_OK) == 0)
        return store_damaged(store->path, "it is missing, and its -wal is there", message);
    if (error == -ENOENT)
        return error;
    if (error == -EUCLEAN)
        return store_damaged(store->path, "it is shorter than a page", message);
    if (error < 0)
        return fail_with(message, error, "read", store->path);
    if (memcmp(page, "SQLite format 3", 16) != 0 || store_number_at(page + 68, true) != STORE_APPLICATION)
        return store_damaged(store->path, "or is no database of reclaimd: its header is another's", message);
    const int version = (int)store_number_at(page + 60, true);
    return version > STORE_VERSION && store_page_is_whole(page) ? newer(store->path, version, message) : 0;
}

static int look_at_log(const struct store *store, char message[512])
{
    const int error = store_log_check(store->log_path);
    if (error == -EUCLEAN)
        return store_damaged(store->path, "a wrong checksum in the middle of its -wal", message);
    return error < 0 ? fail_with(message, error, "read", store->log_path) : 0;
}

/* Reads one value, as a number and as text, which is cut. An SQLite code; SQLITE_DONE: no row. */
static int ask(struct store *store, const char *sql, int *number, char text[100])
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        const unsigned char *value = sqlite3_column_text(statement, 0);
        snprintf(text, 100, "%s", value != NULL ? (const char *)value : "");
        *number = sqlite3_column_int(statement, 0);
    }
    sqlite3_finalize(statement);
    return rc;
}

/* quick_check reads every page in use, and so checks every checksum. */
static int check(struct store *store)
{
    int number;
    char text[100];
    int rc = ask(store, "PRAGMA quick_check(1)", &number, text);
    if (rc == SQLITE_ROW && strcmp(text, "ok") != 0)
        return store_damaged(store->path, text, store->message);
    if (rc == SQLITE_ROW)
        rc = ask(store, "PRAGMA foreign_key_check", &number, text);
    if (rc == SQLITE_ROW)
        return store_damaged(store->path, "a row belongs to a job that is not there", store->message);
    return rc == SQLITE_DONE ? 0 : store_fail(store, rc);
}

static int prepare(struct store *store)
{
    int version = 0;
    char text[100];
    int rc = ask(store, "PRAGMA user_version", &version, text);
    if (rc != SQLITE_ROW)
        return store_fail(store, rc);
    if (version > STORE_VERSION)
        return newer(store->path, version, store->message);
    const int error = check(store);
    if (error < 0)
        return error;
    rc = store_migrate(store->db, store_steps, version, STORE_VERSION);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    sqlite3_db_release_memory(store->db); /* pages that only the check needed */
    return rc == SQLITE_OK ? 0 : store_fail(store, rc);
}

static int count_log(void *user, sqlite3 *db, const char *name, int frames)
{
    (void)db;
    (void)name;
    ((struct store *)user)->log_frames = frames;
    return SQLITE_OK;
}

/* NO_CKPT_ON_CLOSE: until the checks have passed, closing does not change the files. */
static int open_database(struct store *store)
{
    int rc = sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, STORE_PAGES_VFS);
    if (store->db == NULL)
        return explain(store->message, -ENOMEM, "cannot open %.300s: no memory", store->path);
    sqlite3_extended_result_codes(store->db, 1);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(store->db, pragmas, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return store_fail(store, rc);
    sqlite3_wal_hook(store->db, count_log, store);
    return prepare(store);
}

/* ---- open and close --------------------------------------------------------------------------------------------- */

static struct store *new_store(const char *directory)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return NULL;
    if (asprintf(&store->path, "%s/" NAME, directory) < 0)
        store->path = NULL;
    if (asprintf(&store->log_path, "%s/" NAME "-wal", directory) < 0)
        store->log_path = NULL;
    if (store->path != NULL && store->log_path != NULL)
        return store;
    store_close(store);
    return NULL;
}

int store_open(struct store **out, const char *directory, char message[512])
{
    struct store *store = new_store(directory);
    *out = NULL;
    if (store == NULL || store_pages_register() < 0) {
        store_close(store);
        return fail_with(message, -ENOMEM, "open the store in", directory);
    }
    int error = look_at_file(store, message);
    if (error == -ENOENT)
        error = create(directory, store->path, message);
    if (error == 0)
        error = look_at_log(store, message);
    if (error == 0 && (error = store_log_settle(store->log_path)) < 0)
        fail_with(message, error, "write", store->log_path);
    if (error == 0 && (error = open_database(store)) < 0)
        memcpy(message, store->message, sizeof store->message);
    if (error == 0)
        *out = store;
    else
        store_close(store);
    return error;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    if (store->db != NULL)
        store_rollback(store);
    for (size_t i = 0; i < STORE_STATEMENTS_MOST; i++)
        sqlite3_finalize(store->statements[i].made);
    sqlite3_close(store->db);
    free(store->path);
    free(store->log_path);
    free(store);
}

const char *store_message(const struct store *store)
{
    return store->message;
}

int store_bytes(struct store *store, uint64_t *bytes)
{
    const char *const paths[] = {store->path, store->log_path};
    struct stat stat_buffer;
    *bytes = 0;
    for (size_t i = 0; i < 2; i++)
        if (stat(paths[i], &stat_buffer) == 0)
            *bytes += (uint64_t)stat_buffer.st_size;
        else if (errno != ENOENT)
            return -errno;
    return 0;
}
