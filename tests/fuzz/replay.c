/* replay.c - runs a harness over a corpus without libFuzzer: every file whole, cut off at each byte, and with each byte
 * changed in a few ways.
 *
 *     fuzz_frame_replay FOLDER */
#include "fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>

#define INPUT_MAX ((size_t)256 * 1024)

/* Changing each byte takes the square of the length. */
#define CHANGED_MAX ((size_t)2048)

static void replay_changed(uint8_t *data, size_t size)
{
    static const uint8_t changes[] = {0x01, 0x80, 0xff, 0x0f};
    for (size_t i = 0; i < size; i++)
        for (size_t n = 0; n < sizeof changes; n++) {
            data[i] ^= changes[n];
            LLVMFuzzerTestOneInput(data, size);
            data[i] ^= changes[n];
        }
}

static bool replay_file(const char *path)
{
    static uint8_t data[INPUT_MAX];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        perror(path);
        return false;
    }
    const size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    const size_t step = size / CHANGED_MAX + 1;
    for (size_t part = 0; part < size; part += step)
        LLVMFuzzerTestOneInput(data, part);
    LLVMFuzzerTestOneInput(data, size);
    if (size <= CHANGED_MAX)
        replay_changed(data, size);
    return true;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (dir == NULL) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        if (!replay_file(path))
            return 1;
        count++;
    }
    closedir(dir);
    printf("%zu files\n", count);
    return count > 0 ? 0 : 1;
}
