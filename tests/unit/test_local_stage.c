/* Uploads without a name yet: what their owner's end leaves, and who may clean up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/local/local_file.h"
#include "backends/local/local_stage.h"
#include "gateway/base/mem.h"
#include "tests/support/storekit.h"
#include "tests/support/sync.h"

#define UPLOAD (FS_WRITE | FS_CREATE | FS_TRUNC)

struct fixture {
    char top[PATH_MAX];
    struct loop *loop;
    struct backend *store;
    struct fs *fs;
};

/* nameless false: as on a file system that has no O_TMPFILE. */
static void open_store(struct loop *l, const char *root, bool nameless, struct backend **b,
                       struct fs **fs)
{
    *b = storekit_local(l, root, true);
    *fs = storekit_view(*b, "");
    if (!nameless)
        ((struct local_fs *)*fs)->root->store->nameless = false;
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    storekit_folder(f->top);
    assert_int_equal(loop_new(&f->loop), GW_OK);
    open_store(f->loop, f->top, true, &f->store, &f->fs);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fs_free(&f->fs);
    backend_unref(&f->store);
    loop_free(&f->loop);
    storekit_folder_remove(f->top);
    mem_free(f);
    return 0;
}

static unsigned files;

static int count_one(const char *path, const struct stat *st, int type, struct FTW *w)
{
    (void)path;
    (void)st;
    (void)w;
    files += type == FTW_F;
    return 0;
}

/* Files on the disk, hidden ones too. */
static unsigned files_below(const char *top)
{
    files = 0;
    assert_int_equal(nftw(top, count_one, 16, FTW_PHYS), 0);
    return files;
}

/* The child's life: half an upload, a sign of life, and then nothing any more. */
static int be_victim(char *root, const char *path, bool nameless)
{
    struct loop *l;
    struct backend *b;
    struct fs *fs;
    struct fs_file *file;
    if (loop_new(&l) != GW_OK)
        return 1;
    open_store(l, root, nameless, &b, &fs);
    if (sync_open(fs, path, UPLOAD, &file) != GW_OK || sync_write(file, 0, "half", 4) != GW_OK ||
        write(STDOUT_FILENO, "r", 1) != 1)
        return 1;
    for (;;)
        pause();
}

/* A gateway of its own, in the middle of an upload when this returns. */
static pid_t start_victim(char *root, const char *path, const char *how)
{
    int fd[2];
    char ready;
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fd[1], STDOUT_FILENO);
        execl("/proc/self/exe", "victim", root, path, how, (char *)NULL);
        _exit(127);
    }
    close(fd[1]);
    assert_int_equal(read(fd[0], &ready, 1), 1);
    close(fd[0]);
    return pid;
}

static void end_victim(pid_t pid)
{
    int status;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static void test_killed_in_mid_upload(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *how, *swept;
        unsigned left; /* files on the disk besides the old one */
    } rows[] = {
        {"nameless", "0 unfinished uploads removed", 0},
        {"named", "1 unfinished uploads removed", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[FS_TEXT_MAX];
        assert_int_equal(sync_put(f->fs, "/victim", "old"), GW_OK);
        unsigned before = files_below(f->top);
        pid_t pid = start_victim(f->top, "/victim", rows[i].how);
        assert_int_equal(files_below(f->top), before + rows[i].left);
        assert_int_equal(sync_sweep(f->store, text), GW_OK);
        assert_string_equal(text, "0 unfinished uploads removed"); /* it lives */
        assert_int_equal(files_below(f->top), before + rows[i].left);
        end_victim(pid);
        assert_int_equal(sync_sweep(f->store, text), GW_OK);
        assert_string_equal(text, rows[i].swept);
        assert_int_equal(files_below(f->top), before);
        assert_int_equal(sync_get(f->fs, "/victim", text, sizeof text), GW_OK);
        assert_string_equal(text, "old");
    }
}

/* Two gateways on one disk; one dies. Exactly its upload goes. */
static void test_exactly_the_dead(void **state)
{
    struct fixture *f = *state;
    char text[FS_TEXT_MAX];
    pid_t a = start_victim(f->top, "/a", "named");
    pid_t b = start_victim(f->top, "/b", "named");
    assert_int_equal(files_below(f->top), 2);
    end_victim(a);
    assert_int_equal(sync_sweep(f->store, text), GW_OK);
    assert_string_equal(text, "1 unfinished uploads removed");
    assert_int_equal(files_below(f->top), 1);
    end_victim(b);
    assert_int_equal(sync_sweep(f->store, text), GW_OK);
    assert_int_equal(files_below(f->top), 0);
}

/* Where the store's own folder is not to be had, an upload lies beside its target: whoever lists
 * that folder cleans up, and never what lives. */
static void test_listing_cleans_up(void **state)
{
    struct fixture *f = *state;
    char text[FS_TEXT_MAX];
    char path[PATH_MAX + 64];
    assert_int_equal(sync_mkdir(f->fs, "/d"), GW_OK);
    snprintf(path, sizeof path, "%s/d/.gateway-upload.%024d", f->top, 7);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(sync_list(f->fs, "/d", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "");
    assert_int_equal(access(path, F_OK), 0);
    close(fd);
    assert_int_equal(sync_list(f->fs, "/d", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "");
    assert_int_not_equal(access(path, F_OK), 0);
}

/* All that test_local.c asks of uploads, where O_TMPFILE is not to be had. */
static void test_named_uploads(void **state)
{
    struct fixture *f = *state;
    struct fs_file *a;
    struct fs_file *b;
    char text[64];
    ((struct local_fs *)f->fs)->root->store->nameless = false;
    assert_int_equal(sync_put(f->fs, "/x", "one"), GW_OK);
    assert_int_equal(sync_put(f->fs, "/x", "two"), GW_OK);
    assert_int_equal(sync_get(f->fs, "/x", text, sizeof text), GW_OK);
    assert_string_equal(text, "two");
    assert_int_equal(sync_open(f->fs, "/y", UPLOAD | FS_EXCL, &a), GW_OK);
    assert_int_equal(sync_open(f->fs, "/y", UPLOAD | FS_EXCL, &b), GW_OK);
    assert_int_equal(sync_list(f->fs, "/", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "x");
    assert_int_equal(sync_close(&b), GW_OK);
    assert_int_equal(sync_close(&a), GW_EXISTS);
    assert_int_equal(sync_open(f->fs, "/z", UPLOAD, &a), GW_OK);
    fs_abort(&a);
    assert_int_equal(sync_list(f->fs, "/", 0, text, sizeof text), GW_OK);
    assert_string_equal(text, "x y");
    assert_int_equal(files_below(f->top), 2);
}

/* The folder goes away while an upload into it is under way. */
static void test_folder_removed_meanwhile(void **state)
{
    struct fixture *f = *state;
    static const bool nameless[] = {true, false};
    for (size_t i = 0; i < 2; i++) {
        struct fs_file *file;
        ((struct local_fs *)f->fs)->root->store->nameless = nameless[i];
        assert_int_equal(sync_mkdir(f->fs, "/d"), GW_OK);
        assert_int_equal(sync_open(f->fs, "/d/x", UPLOAD, &file), GW_OK);
        assert_int_equal(sync_rmdir(f->fs, "/d"), GW_OK);
        assert_int_equal(sync_close(&file), GW_NO_PATH);
        assert_int_equal(files_below(f->top), 0);
    }
}

/* Another disk below the root: nothing can be renamed onto it from outside. In a child, whose
 * mounts are its own. */
static int replace_on_mount(char *root)
{
    char path[PATH_MAX];
    char text[64];
    struct loop *l;
    struct backend *b;
    struct fs *fs;
    snprintf(path, sizeof path, "%s/m", root);
    if (mkdir(path, 0755) != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", path, "tmpfs", 0, NULL) != 0)
        return 77;
    for (int nameless = 0; nameless < 2; nameless++) {
        if (loop_new(&l) != GW_OK)
            return 1;
        open_store(l, root, nameless != 0, &b, &fs);
        if (sync_put(fs, "/m/x", "one") != GW_OK || sync_put(fs, "/m/x", "two") != GW_OK ||
            sync_get(fs, "/m/x", text, sizeof text) != GW_OK || strcmp(text, "two") != 0 ||
            sync_list(fs, "/m", 0, text, sizeof text) != GW_OK || strcmp(text, "x") != 0 ||
            sync_rename(fs, "/m/x", "/x", 0) != GW_UNSUPPORTED)
            return 1;
        fs_free(&fs);
        backend_unref(&b);
        loop_free(&l);
    }
    return 0;
}

static void test_another_mount(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl("/proc/self/exe", "mount", f->top, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

/* A full disk, or a quota: told at the write, and nothing appears. */
static void test_no_space(void **state)
{
    struct fixture *f = *state;
    struct fs_file *file;
    char text[64];
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(sync_put(f->fs, "/x", "old"), GW_OK);
    assert_int_equal(sync_open(f->fs, "/x", UPLOAD, &file), GW_OK);
    /* The upload's own descriptor now leads to a device on which there is never any space. */
    int own = -1;
    for (int i = 0; i < 1024 && own < 0; i++) {
        char link[64];
        char to[PATH_MAX];
        snprintf(link, sizeof link, "/proc/self/fd/%d", i);
        ssize_t n = readlink(link, to, sizeof to - 1);
        if (n > 0) {
            to[n] = '\0';
            if (strncmp(to, f->top, strlen(f->top)) == 0 && strstr(to, "(deleted)") != NULL)
                own = i;
        }
    }
    if (own < 0) { /* no O_TMPFILE here */
        assert_int_equal(sync_close(&file), GW_OK);
        close(fd);
        skip();
    }
    assert_int_equal(dup2(fd, own), own);
    assert_int_equal(sync_write(file, 0, "new", 3), GW_NO_SPACE);
    assert_int_equal(sync_close(&file), GW_NO_SPACE);
    assert_int_equal(sync_get(f->fs, "/x", text, sizeof text), GW_OK);
    assert_string_equal(text, "old");
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc == 4)
        return be_victim(argv[1], argv[2], strcmp(argv[3], "nameless") == 0);
    if (argc == 2)
        return replace_on_mount(argv[1]);
#define ROW(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROW(test_killed_in_mid_upload),
        ROW(test_exactly_the_dead),
        ROW(test_listing_cleans_up),
        ROW(test_named_uploads),
        ROW(test_folder_removed_meanwhile),
        ROW(test_another_mount),
        ROW(test_no_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
