/*
 * Runs a fuzz target over every file of the folders named: the corpus as an ordinary test. Each
 * file comes as it is, and then mutated, the same way in every run: bits turned, bytes replaced by
 * those that matter to parsers, cut off, repeated. A target says that something is wrong by
 * abort().
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Mutations of a file: all of a small one, evenly spread ones of a larger one. */
#define MUTATIONS_MAX 1500u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t telling[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '/', '.', '"', '<', '{', '&', '\\'};

/* Mutation number `i` of the `size` bytes, into `to`, which has room for twice as many. */
static size_t mutate(const uint8_t *data, size_t size, size_t i, uint8_t *to)
{
    size_t kinds = 8 + sizeof telling + 3, at = i / kinds, kind = i % kinds;
    memcpy(to, data, size);
    if (kind < 8) {
        to[at] = (uint8_t)(to[at] ^ (1u << kind));
    } else if (kind < 8 + sizeof telling) {
        to[at] = telling[kind - 8];
    } else if (kind == 8 + sizeof telling) {
        return at; /* cut off */
    } else if (kind == 9 + sizeof telling) {
        memmove(to + at, to + at + 1, size - at - 1);
        return size - 1;
    } else {
        memcpy(to + size, data + at, size - at); /* the rest once more */
        return 2 * size - at;
    }
    return size;
}

static size_t replay_mutations(const uint8_t *data, size_t size)
{
    size_t all = size * (8 + sizeof telling + 3);
    size_t n = all < MUTATIONS_MAX ? all : MUTATIONS_MAX;
    for (size_t i = 0; i < n; i++) {
        /* A block of its own for each: a byte beyond the end is another's. */
        uint8_t *to = malloc(2 * size);
        if (to == NULL)
            abort();
        size_t len = mutate(data, size, n < all ? i * (all / n) + i % (all / n) : i, to);
        uint8_t *exact = realloc(to, len > 0 ? len : 1);
        (void)LLVMFuzzerTestOneInput(exact != NULL ? exact : to, len);
        free(exact != NULL ? exact : to);
    }
    return n;
}

static size_t replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return 0;
    uint8_t *data = NULL;
    size_t size = 0;
    size_t cap = 0;
    for (;;) {
        if (size == cap) {
            cap = cap == 0 ? 4096 : cap * 2;
            uint8_t *grown = realloc(data, cap);
            if (grown == NULL)
                abort();
            data = grown;
        }
        size_t n = fread(data + size, 1, cap - size, f);
        if (n == 0)
            break;
        size += n;
    }
    fclose(f);
    (void)LLVMFuzzerTestOneInput(data, size);
    size_t n = 1 + replay_mutations(data, size);
    free(data);
    return n;
}

int main(int argc, char **argv)
{
    size_t inputs = 0;
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        if (d == NULL) {
            fprintf(stderr, "replay: no corpus at %s\n", argv[i]);
            return 1;
        }
        for (const struct dirent *e; (e = readdir(d)) != NULL;) {
            char path[4096];
            if (e->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            size_t n = replay_file(path);
            if (n == 0) {
                fprintf(stderr, "replay: cannot read %s\n", path);
                return 1;
            }
            inputs += n;
        }
        closedir(d);
    }
    printf("replayed %zu inputs\n", inputs);
    return inputs == 0; /* an empty corpus proves nothing */
}
