#include "backends/s3/s3_journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/io/work.h"

#define FOLDER      "s3-uploads"
#define RUN_MAX     17u /* 16 hex digits and a NUL */
#define FILE_MAX    (8u * 1024)
#define ENTRIES_MAX 100000u

/* Of this process; the lock is held until it ends. */
static struct run {
    uv_once_t once;
    uv_mutex_t lock;
    char id[RUN_MAX];
    int fd;
} run = {.once = UV_ONCE_INIT, .fd = -1};

static void run_init(void)
{
    uint8_t raw[8];
    uv_mutex_init(&run.lock);
    if (RAND_bytes(raw, sizeof raw) != 1)
        memset(raw, 0, sizeof raw);
    for (size_t i = 0; i < sizeof raw; i++)
        snprintf(run.id + 2 * i, 3, "%02x", raw[i]);
}

/* "FOLDER/RUN-HASH"; the hash is the upload's. */
static char *file_of(const char *state_dir, const char *key, const char *upload_id)
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    char hex[33] = "";
    unsigned len = 0;
    uv_once(&run.once, run_init);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
        EVP_DigestUpdate(md, upload_id, strlen(upload_id) + 1) == 1 &&
        EVP_DigestUpdate(md, key, strlen(key)) == 1)
        (void)EVP_DigestFinal_ex(md, sum, &len);
    EVP_MD_CTX_free(md);
    for (unsigned i = 0; i < len && i < 16; i++)
        snprintf(hex + (size_t)2 * i, 3, "%02x", sum[i]);
    return mem_printf("%s/" FOLDER "/%s-%s", state_dir, run.id, hex);
}

struct job {
    char *dir;
    char *file, *text; /* to write; NULL = nothing */
    char *gone;        /* then to remove; NULL = nothing */
    loop_fn *done;     /* NULL = nobody waits */
    void *arg;
};

static void job_free(struct job *j)
{
    mem_free(j->dir);
    mem_free(j->file);
    mem_free(j->text);
    mem_free(j->gone);
    mem_free(j);
}

/* Another gateway's tidying may hold a file that was just made, and remove it: then it is not ours.
 */
static int make_and_lock(const char *path)
{
    for (;;) {
        struct stat st;
        int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return -1;
        while (flock(fd, LOCK_EX) != 0)
            if (errno != EINTR)
                return fd; /* a file system without locks */
        if (fstat(fd, &st) != 0 || st.st_nlink > 0)
            return fd;
        close(fd);
    }
}

/* Once a process: the lock that tells other runs that this one lives. again: the folder may have
 * been removed since. */
static bool lock_run(const char *dir, bool again)
{
    char *path = mem_printf("%s/%s.run", dir, run.id);
    uv_mutex_lock(&run.lock);
    if (run.fd >= 0 && again && access(path, F_OK) != 0) {
        close(run.fd);
        run.fd = -1;
    }
    if (run.fd < 0) {
        (void)mkdir(dir, 0700);
        run.fd = make_and_lock(path);
    }
    bool ok = run.fd >= 0;
    uv_mutex_unlock(&run.lock);
    mem_free(path);
    return ok;
}

static int open_entry(const struct job *j, bool again)
{
    if (!lock_run(j->dir, again))
        return -1;
    int fd = open(j->file, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 && errno == ENOENT && !again ? open_entry(j, true) : fd;
}

/* Half of one would be of another key. */
static bool write_entry(const struct job *j)
{
    size_t len = strlen(j->text);
    int fd = open_entry(j, false);
    bool ok = fd >= 0 && write(fd, j->text, len) == (ssize_t)len;
    if (fd >= 0) {
        if (!ok)
            (void)unlink(j->file);
        close(fd);
    }
    if (!ok)
        LOG_EVENT(LOG_LVL_WARN, NULL, "s3_journal", log_str("file", j->file),
                  log_str("error", "cannot be written"));
    return ok;
}

static void job_run(void *arg)
{
    struct job *j = arg;
    bool ok = j->file == NULL || write_entry(j);
    if (j->gone != NULL && ok)
        (void)unlink(j->gone);
}

static void job_done(void *arg)
{
    struct job *j = arg;
    loop_fn *done = j->done;
    void *done_arg = j->arg;
    job_free(j);
    if (done != NULL)
        done(done_arg);
}

/* Never cancelled. */
static const struct work_fns job_fns = {.run = job_run, .done = job_done};

static struct job *job_new(const struct s3_store *s)
{
    struct job *j = mem_zalloc(sizeof *j);
    j->dir = mem_printf("%s/" FOLDER, s->base.env.state_dir);
    return j;
}

/* The key comes last: it may hold any byte. */
static char *text_of(const struct s3_store *s, const char *key, const char *upload_id)
{
    return mem_printf("%s\n%s\n%s\n%s", s->base.name, s->conf->bucket, upload_id, key);
}

char *s3_journal_note(const struct s3_store *s, const char *key, loop_fn *done, void *arg)
{
    static atomic_uint count;
    char nonce[16];
    if (s->base.env.state_dir == NULL)
        return NULL;
    snprintf(nonce, sizeof nonce, "\n%u", atomic_fetch_add(&count, 1)); /* no upload's id */
    struct job *j = job_new(s);
    j->file = file_of(s->base.env.state_dir, key, nonce);
    j->text = text_of(s, key, "");
    j->done = done;
    j->arg = arg;
    char *note = mem_strdup(j->file);
    (void)work_start(s->base.env.loop, &job_fns, j);
    return note;
}

void s3_journal_answer(const struct s3_store *s, const char *note, bool keep, const char *key,
                       const char *upload_id, loop_fn *done, void *arg)
{
    struct job *j = job_new(s);
    if (upload_id != NULL) {
        j->file = file_of(s->base.env.state_dir, key, upload_id);
        j->text = text_of(s, key, upload_id);
    }
    if (!keep)
        j->gone = mem_strdup(note);
    j->done = done;
    j->arg = arg;
    (void)work_start(s->base.env.loop, &job_fns, j);
}

void s3_journal_remove(const struct s3_store *s, const char *key, const char *upload_id)
{
    if (s->base.env.state_dir == NULL)
        return;
    struct job *j = job_new(s);
    j->gone = file_of(s->base.env.state_dir, key, upload_id);
    (void)work_start(s->base.env.loop, &job_fns, j);
}

/* False: the run that `name` belongs to lives, or is this one. A dead run's lock file stays until
 * its last upload is gone; *lock is its lock, the caller's to close, or -1 if there is no file. */
static bool hold_dead_run(const char *dir, const char *name, int *lock)
{
    *lock = -1;
    if (strncmp(name, run.id, RUN_MAX - 1) == 0)
        return false;
    char *path = mem_printf("%s/%.16s.run", dir, name);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    mem_free(path);
    if (fd < 0)
        return errno == ENOENT;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        *lock = fd;
        return true;
    }
    close(fd);
    return false;
}

static bool run_is_dead(const char *dir, const char *name)
{
    int lock;
    bool dead = hold_dead_run(dir, name, &lock);
    if (lock >= 0)
        close(lock);
    return dead;
}

/* Cuts the next line off *text. */
static char *line(char **text)
{
    char *begin = *text, *end = strchr(begin, '\n');
    if (end == NULL)
        return NULL;
    *end = '\0';
    *text = end + 1;
    return begin;
}

static bool read_entry(const char *file, const char *store_name, const char *bucket,
                       struct s3_journal_entry *out)
{
    char text[FILE_MAX];
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    struct stat st;
    ssize_t n = fstat(fd, &st) == 0 ? read(fd, text, sizeof text - 1) : -1;
    close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    char *rest = text;
    const char *name = line(&rest);
    const char *in_bucket = name != NULL ? line(&rest) : NULL;
    const char *id = in_bucket != NULL ? line(&rest) : NULL;
    if (id == NULL || strcmp(name, store_name) != 0 || strcmp(in_bucket, bucket) != 0 ||
        *rest == '\0' || strlen(rest) > S3_KEY_MAX)
        return false;
    *out = (struct s3_journal_entry){.file = mem_strdup(file),
                                     .key = mem_strdup(rest),
                                     .upload_id = mem_strdup(id),
                                     .written_s = st.st_mtim.tv_sec};
    return true;
}

static bool is_entry(const char *name)
{
    return strlen(name) == 16 + 1 + 32 && name[16] == '-';
}

/* Runs that were asked once whether they live, for the length of one reading. */
struct runs {
    struct seen {
        char id[RUN_MAX];
        bool dead;
    } * all;
    size_t n, cap;
};

static bool is_dead(struct runs *r, const char *dir, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (strncmp(r->all[i].id, name, RUN_MAX - 1) == 0)
            return r->all[i].dead;
    if (r->n == r->cap) {
        r->cap = r->cap > 0 ? 2 * r->cap : 16;
        struct seen *grown = mem_array(r->cap, sizeof *grown);
        if (r->n > 0)
            memcpy(grown, r->all, r->n * sizeof *grown);
        mem_free(r->all);
        r->all = grown;
    }
    struct seen *s = &r->all[r->n++];
    snprintf(s->id, sizeof s->id, "%.16s", name);
    return s->dead = run_is_dead(dir, name);
}

struct entries {
    struct s3_journal_entry *all;
    size_t n, cap;
};

/* Room for one more, which is not counted yet. */
static struct s3_journal_entry *next_entry(struct entries *e)
{
    if (e->n == e->cap) {
        e->cap = e->cap > 0 ? 2 * e->cap : 16;
        struct s3_journal_entry *grown = mem_array(e->cap, sizeof *grown);
        if (e->n > 0)
            memcpy(grown, e->all, e->n * sizeof *grown);
        mem_free(e->all);
        e->all = grown;
    }
    return &e->all[e->n];
}

/* Adds the entries of dead runs, or of living ones, up to max. False: the folder cannot be read. */
static bool read_folder(const char *state_dir, const char *store_name, const char *bucket,
                        bool dead, size_t max, struct entries *out)
{
    struct runs runs = {.all = NULL};
    uv_once(&run.once, run_init);
    char *dir = mem_printf("%s/" FOLDER, state_dir);
    DIR *d = opendir(dir);
    bool ok = d != NULL || errno == ENOENT;
    struct dirent *e;
    while (d != NULL && out->n < max && (e = readdir(d)) != NULL) {
        if (!is_entry(e->d_name) || is_dead(&runs, dir, e->d_name) != dead)
            continue;
        char *file = mem_printf("%s/%s", dir, e->d_name);
        if (read_entry(file, store_name, bucket, next_entry(out)))
            out->n++;
        mem_free(file);
    }
    if (d != NULL)
        closedir(d);
    mem_free(dir);
    mem_free(runs.all);
    return ok;
}

void s3_journal_left(const char *state_dir, const char *store_name, const char *bucket,
                     struct s3_journal_entry **out, size_t *n)
{
    struct entries left = {.all = NULL};
    if (state_dir != NULL)
        (void)read_folder(state_dir, store_name, bucket, true, ENTRIES_MAX, &left);
    *out = left.all;
    *n = left.n;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct s3_journal_entry *)a)->key,
                  ((const struct s3_journal_entry *)b)->key);
}

bool s3_journal_living(const char *state_dir, const char *store_name, const char *bucket,
                       struct s3_journal_entry **out, size_t *n)
{
    struct entries living = {.all = NULL};
    /* Twice: a note that went while its folder was read has had its successor before, which the
     * reading may have missed. */
    bool ok = true;
    for (unsigned i = 0; ok && i < 2; i++)
        ok = read_folder(state_dir, store_name, bucket, false, SIZE_MAX, &living);
    if (living.n > 0)
        qsort(living.all, living.n, sizeof *living.all, by_key);
    *out = living.all;
    *n = living.n;
    return ok;
}

bool s3_journal_has(const struct s3_journal_entry *sorted, size_t n, const char *key)
{
    for (size_t low = 0, high = n; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(key, sorted[middle].key);
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

void s3_journal_forget(const struct s3_journal_entry *e)
{
    (void)unlink(e->file);
}

static bool has_entries(const char *dir, const char *run_file)
{
    bool found = false;
    DIR *d = opendir(dir);
    struct dirent *e;
    while (d != NULL && !found && (e = readdir(d)) != NULL)
        found = strncmp(e->d_name, run_file, 16) == 0 && e->d_name[16] == '-';
    if (d != NULL)
        closedir(d);
    return found;
}

void s3_journal_tidy(const char *state_dir)
{
    if (state_dir == NULL)
        return;
    char *dir = mem_printf("%s/" FOLDER, state_dir);
    DIR *d = opendir(dir);
    struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL) {
        int lock;
        if (strlen(e->d_name) != 16 + 4 || strcmp(e->d_name + 16, ".run") != 0 ||
            !hold_dead_run(dir, e->d_name, &lock))
            continue;
        if (!has_entries(dir, e->d_name))
            (void)unlinkat(dirfd(d), e->d_name, 0);
        if (lock >= 0)
            close(lock);
    }
    if (d != NULL)
        closedir(d);
    mem_free(dir);
}

void s3_journal_free(struct s3_journal_entry **ep, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mem_free((*ep)[i].file);
        mem_free((*ep)[i].key);
        mem_free((*ep)[i].upload_id);
    }
    mem_free(*ep);
    *ep = NULL;
}
