/* Which permission each request needs: the table of rows.c, seen from a client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/sftp/rows.h"
#include "tests/support/sftp_words.h"

enum { ATTR_SIZE = 1, ATTR_UIDGID = 2, ATTR_MODE = 4, ATTR_TIMES = 8 };

/* A client whose whole tree allows `root`, and /in `in`; /ro is a read-only mount. Holds the file
 * /a, the folders /d and /in, and /in/f. */
static struct sftp_peer *client(uint32_t root, uint32_t in)
{
    struct identity_mount mounts[] = {
        {.path = (char *)(uintptr_t) "/",
         .backend = (char *)(uintptr_t) "store",
         .prefix = (char *)(uintptr_t) ""},
        {.path = (char *)(uintptr_t) "/ro",
         .backend = (char *)(uintptr_t) "store",
         .prefix = (char *)(uintptr_t) "kept",
         .read_only = true},
    };
    struct identity_perm perms[] = {
        {.path = (char *)(uintptr_t) "/", .perms = root},
        {.path = (char *)(uintptr_t) "/in", .perms = in},
    };
    const struct identity id = {
        .mounts = mounts, .nmounts = 2, .perms = perms, .nperms = root == in ? 1 : 2};
    const struct sftp_peer_opts opts = {.identity = &id};
    struct sftp_peer *p = sftp_peer_new(&opts);
    sftp_peer_hello(p);
    assert_int_equal(sync_put(p->raw, "/a", "text"), GW_OK);
    assert_int_equal(sync_mkdir(p->raw, "/d"), GW_OK);
    assert_int_equal(sync_mkdir(p->raw, "/in"), GW_OK);
    enum gw_err err = sync_mkdir(p->raw, "/kept"); /* the mount may have made its folder */
    assert_true(err == GW_OK || err == GW_EXISTS);
    assert_int_equal(sync_put(p->raw, "/in/f", "text"), GW_OK);
    assert_int_equal(sync_put(p->raw, "/kept/f", "text"), GW_OK);
    return p;
}

enum asked {
    OPEN_READ,
    OPEN_NEW,
    OPEN_OVER,
    OPEN_CHANGE, /* WRITE alone: only an existing file can be meant */
    OPEN_BOTH,
    LIST,
    STAT,
    LSTAT,
    REMOVE,
    RMDIR,
    MKDIR,
    RENAME_FILE,
    RENAME_DIR,
    POSIX_OVER,
    POSIX_FREE,
    CHMOD,
    CHOWN,
    TIMES,
    TRUNCATE,
    LCHMOD,
    SET_NOTHING,
    SYMLINK,
    HARDLINK,
    READLINK,
    STATVFS,
    REALPATH,
    REQUESTS
};

static const char *const names[REQUESTS] = {
    "open read", "open new", "overwrite", "open to change", "open both", "list",     "stat",
    "lstat",     "remove",   "rmdir",     "mkdir",          "rename",    "rename d", "posix over",
    "posix",     "chmod",    "chown",     "times",          "truncate",  "lchmod",   "set nothing",
    "symlink",   "hardlink", "readlink",  "statvfs",        "realpath",
};

static void put(struct sftp_peer *p, enum asked what)
{
    const uint64_t none = 0;
    switch (what) {
    case OPEN_READ:
        sftp_peer_put(p, FXP_OPEN, "suu", "/a", Q(READ), none);
        break;
    case OPEN_NEW:
        sftp_peer_put(p, FXP_OPEN, "suu", "/new", Q(WRITE | CREAT | TRUNC), none);
        break;
    case OPEN_OVER:
        sftp_peer_put(p, FXP_OPEN, "suu", "/a", Q(WRITE | CREAT | TRUNC), none);
        break;
    case OPEN_CHANGE:
        sftp_peer_put(p, FXP_OPEN, "suu", "/a", Q(WRITE), none);
        break;
    case OPEN_BOTH:
        sftp_peer_put(p, FXP_OPEN, "suu", "/new", Q(READ | WRITE | CREAT), none);
        break;
    case LIST:
        sftp_peer_put(p, FXP_OPENDIR, "s", "/");
        break;
    case STAT:
        sftp_peer_put(p, FXP_STAT, "s", "/a");
        break;
    case LSTAT:
        sftp_peer_put(p, FXP_LSTAT, "s", "/a");
        break;
    case REMOVE:
        sftp_peer_put(p, FXP_REMOVE, "s", "/a");
        break;
    case RMDIR:
        sftp_peer_put(p, FXP_RMDIR, "s", "/d");
        break;
    case MKDIR:
        sftp_peer_put(p, FXP_MKDIR, "su", "/m", none);
        break;
    case RENAME_FILE:
        sftp_peer_put(p, FXP_RENAME, "ss", "/a", "/b");
        break;
    case RENAME_DIR:
        sftp_peer_put(p, FXP_RENAME, "ss", "/d", "/e");
        break;
    case POSIX_OVER:
        sftp_peer_put(p, FXP_EXTENDED, "sss", "posix-rename@openssh.com", "/in/f", "/a");
        break;
    case POSIX_FREE:
        sftp_peer_put(p, FXP_EXTENDED, "sss", "posix-rename@openssh.com", "/a", "/b");
        break;
    case CHMOD:
        sftp_peer_put(p, FXP_SETSTAT, "suu", "/a", Q(ATTR_MODE), Q(0600));
        break;
    case CHOWN:
        sftp_peer_put(p, FXP_SETSTAT, "suuu", "/a", Q(ATTR_UIDGID), Q(1), Q(1));
        break;
    case TIMES:
        sftp_peer_put(p, FXP_SETSTAT, "suuu", "/a", Q(ATTR_TIMES), Q(1), Q(1));
        break;
    case TRUNCATE:
        sftp_peer_put(p, FXP_SETSTAT, "suq", "/a", Q(ATTR_SIZE), none);
        break;
    case LCHMOD:
        sftp_peer_put(p, FXP_EXTENDED, "ssuu", "lsetstat@openssh.com", "/a", Q(ATTR_MODE), Q(0600));
        break;
    case SET_NOTHING:
        sftp_peer_put(p, FXP_SETSTAT, "su", "/a", none);
        break;
    case SYMLINK:
        sftp_peer_put(p, FXP_SYMLINK, "ss", "a", "/l");
        break;
    case HARDLINK:
        sftp_peer_put(p, FXP_EXTENDED, "sss", "hardlink@openssh.com", "/a", "/h");
        break;
    case READLINK:
        sftp_peer_put(p, FXP_READLINK, "s", "/a");
        break;
    case STATVFS:
        sftp_peer_put(p, FXP_EXTENDED, "ss", "statvfs@openssh.com", "/");
        break;
    default:
        sftp_peer_put(p, FXP_REALPATH, "s", "/secret/../x");
    }
}

/* Allowed with exactly these; refused when any one of them is missing. */
static void test_needed(void **state)
{
    (void)state;
    static const uint32_t needed[REQUESTS] = {
        [OPEN_READ] = PERM_DOWNLOAD,
        [OPEN_NEW] = PERM_UPLOAD,
        [OPEN_OVER] = PERM_UPLOAD | PERM_OVERWRITE,
        [OPEN_CHANGE] = PERM_UPLOAD | PERM_OVERWRITE,
        [OPEN_BOTH] = PERM_UPLOAD | PERM_DOWNLOAD,
        [LIST] = PERM_LIST,
        [STAT] = PERM_LIST,
        [LSTAT] = PERM_LIST,
        [REMOVE] = PERM_DELETE_FILES,
        [RMDIR] = PERM_DELETE_DIRS,
        [MKDIR] = PERM_CREATE_DIRS,
        [RENAME_FILE] = PERM_RENAME_FILES,
        [RENAME_DIR] = PERM_RENAME_DIRS,
        [POSIX_OVER] = PERM_RENAME_FILES | PERM_OVERWRITE,
        [POSIX_FREE] = PERM_RENAME_FILES,
        [CHMOD] = PERM_CHMOD,
        [CHOWN] = PERM_CHOWN,
        [TIMES] = PERM_CHTIMES,
        [TRUNCATE] = PERM_OVERWRITE,
        [LCHMOD] = PERM_CHMOD,
        [SET_NOTHING] = PERM_LIST,
        [SYMLINK] = PERM_CREATE_SYMLINKS,
        [HARDLINK] = PERM_CREATE_SYMLINKS,
        [READLINK] = PERM_LIST,
        [STATVFS] = PERM_LIST,
    };
    for (unsigned what = 0; what < REQUESTS; what++) {
        for (uint32_t missing = 0; missing <= PERM_ALL; missing = missing ? missing << 1 : 1) {
            uint32_t granted = missing == 0 ? needed[what] : PERM_ALL & ~missing;
            struct sftp_peer *p = client(granted, granted);
            struct sftp_reply r;
            put(p, (enum asked)what);
            sftp_peer_wait(p, &r);
            bool denied = r.type == FXP_STATUS && r.code == FX_PERMISSION_DENIED;
            if (denied != ((needed[what] & missing) != 0))
                fail_msg("%s without %x: type %u code %u", names[what], missing, r.type, r.code);
            sftp_peer_free(&p);
        }
    }
}

/* Nothing was done where the answer is no. */
static void test_refused_changes_nothing(void **state)
{
    (void)state;
    for (unsigned what = 0; what < REQUESTS; what++) {
        struct sftp_peer *p = client(0, 0);
        struct sftp_reply r;
        char text[64];
        put(p, (enum asked)what);
        sftp_peer_wait(p, &r);
        if (what != REALPATH)
            assert_int_equal(r.code, FX_PERMISSION_DENIED);
        assert_int_equal(sync_list(p->raw, "/", 100, text, sizeof text), GW_OK);
        assert_string_equal(text, "a d/ in/ kept/");
        assert_int_equal(sync_get(p->raw, "/a", text, sizeof text), GW_OK);
        assert_string_equal(text, "text");
        sftp_peer_free(&p);
    }
}

/* Names belong to the folder that they are in: /in itself to "/", what is in it to /in. */
static void test_whose_folder(void **state)
{
    (void)state;
    struct sftp_peer *p = client(PERM_LIST, PERM_ALL);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_RMDIR, "s", "/in"), FX_PERMISSION_DENIED);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_RENAME, "ss", "/in", "/out"), FX_PERMISSION_DENIED);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_RENAME, "ss", "/in/f", "/f"), FX_PERMISSION_DENIED);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_RENAME, "ss", "/a", "/in/a"), FX_PERMISSION_DENIED);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_SYMLINK, "ss", "../a", "/in/l"), FX_PERMISSION_DENIED);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_EXTENDED, "sss", "hardlink@openssh.com", "/a", "/in/h"),
                     FX_PERMISSION_DENIED);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_RENAME, "ss", "/in/f", "/in/g"), FX_OK);
    /* Where permissions differ from folder to folder, a link could lead around them. */
    assert_int_equal(SFTP_PEER_ASK(p, FXP_SYMLINK, "ss", "g", "/in/l"), FX_PERMISSION_DENIED);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_REMOVE, "s", "/in/g"), FX_OK);
    assert_int_equal(sync_rmdir(p->raw, "/in"), GW_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_MKDIR, "su", "/in", Q(0)), FX_PERMISSION_DENIED);
    sftp_peer_free(&p);
}

static void test_read_only_mount(void **state)
{
    (void)state;
    struct sftp_peer *p = client(PERM_ALL, PERM_ALL);
    uint8_t h[256];
    size_t h_len = sftp_peer_open(p, "/ro/f", READ, h);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(h)), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_OPEN, "suu", "/ro/f", Q(WRITE), Q(0)),
                     FX_PERMISSION_DENIED);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_OPEN, "suu", "/ro/g", Q(WRITE | CREAT), Q(0)),
                     FX_PERMISSION_DENIED);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_REMOVE, "s", "/ro/f"), FX_PERMISSION_DENIED);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_SETSTAT, "suq", "/ro/f", Q(ATTR_SIZE), Q(0)),
                     FX_PERMISSION_DENIED);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_MKDIR, "su", "/ro/d", Q(0)), FX_PERMISSION_DENIED);
    sftp_peer_free(&p);
}

/* Attributes of an open file need what they need by path; its size comes with writing. */
static void test_attributes_by_handle(void **state)
{
    (void)state;
    struct sftp_peer *p = client(PERM_UPLOAD, 0);
    uint8_t h[256];
    size_t h_len = sftp_peer_open(p, "/new", WRITE | CREAT, h);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_FSETSTAT, "xuq", H(h), Q(ATTR_SIZE), Q(10)), FX_OK);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_FSETSTAT, "xuu", H(h), Q(ATTR_MODE), Q(0600)),
                     FX_PERMISSION_DENIED);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_FSETSTAT, "xuuu", H(h), Q(ATTR_TIMES), Q(1), Q(1)),
                     FX_PERMISSION_DENIED);
    assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", H(h)), FX_OK);
    sftp_peer_free(&p);
}

/* What a new file is given at its OPEN is no way around chmod, chown and chtimes. */
static void test_attributes_at_creation(void **state)
{
    (void)state;
    static const struct {
        uint32_t perms, mode;
        bool owned, dated;
    } rows[] = {
        {PERM_UPLOAD | PERM_CREATE_DIRS, 0755, false, false},
        {PERM_UPLOAD | PERM_CREATE_DIRS | PERM_CHMOD, 06755, false, false},
        {PERM_UPLOAD | PERM_CREATE_DIRS | PERM_CHOWN, 0755, true, false},
        {PERM_UPLOAD | PERM_CREATE_DIRS | PERM_CHTIMES, 0755, false, true},
        {PERM_ALL, 06755, true, true},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sftp_peer *p = client(rows[i].perms, rows[i].perms);
        struct sftp_reply r;
        struct fs_attr a;
        const uint64_t set = ATTR_UIDGID | ATTR_MODE | ATTR_TIMES;
        sftp_peer_put(p, FXP_OPEN, "suuuuuuu", "/new", Q(WRITE | CREAT), set, Q(77), Q(77),
                      Q(0106755), Q(99), Q(99));
        sftp_peer_wait(p, &r);
        assert_int_equal(r.type, FXP_HANDLE);
        struct gw_span h = gw_rd_str(&r.body, 256);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_CLOSE, "x", h), FX_OK);
        assert_int_equal(SFTP_PEER_ASK(p, FXP_MKDIR, "suuuuuu", "/dir", set, Q(77), Q(77),
                                       Q(046755), Q(99), Q(99)),
                         FX_OK);
        for (int dir = 0; dir < 2; dir++) {
            assert_int_equal(sync_stat(p->raw, dir ? "/dir" : "/new", true, &a), GW_OK);
            assert_int_equal(a.mode, rows[i].mode);
            if (!dir || !rows[i].owned)
                assert_int_equal(a.uid == 77, rows[i].owned);
            if (!dir || !rows[i].dated) /* a store may not give folders more than a mode */
                assert_int_equal(a.mtime_s == 99, rows[i].dated);
        }
        sftp_peer_free(&p);
    }
}

int main(void)
{
    log_level_now = LOG_LVL_ERROR;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_needed),
        cmocka_unit_test(test_refused_changes_nothing),
        cmocka_unit_test(test_whose_folder),
        cmocka_unit_test(test_read_only_mount),
        cmocka_unit_test(test_attributes_by_handle),
        cmocka_unit_test(test_attributes_at_creation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
